package dev.isthmus.engine.api;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.config.Activation;
import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.kernels.Backend;
import dev.isthmus.engine.kernels.Backends;
import dev.isthmus.engine.kernels.RowBatch;
import dev.isthmus.engine.session.ObserverProbe;
import dev.isthmus.engine.tensor.DType;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class ObserverProbeTest {

    private final Backend opened = Backends.reference();

    private static final Gpt2Config CONFIG = new Gpt2Config(1, 2, 4, 8, 8, 10, 1e-5, Activation.RELU, true, false,
            true, List.of());

    private final Arena arena = Arena.ofShared();
    private final RowBatch batch = new RowBatch(arena);

    @AfterEach
    void close() {
        arena.close();
    }

    private KvCache add(int tokens) {
        KvCache cache = new KvCache(1, 2, 2, 8, DType.F32, arena);
        batch.add(cache, new int[tokens], 0, tokens);
        return cache;
    }

    @Test
    void whatIsNotWantedIsNotEvenRead() {
        add(3);
        Tensor gone;
        try (Arena closed = Arena.ofShared()) {
            gone = Tensor.allocate(closed, DType.F32, 3, 12);
        }
        Capture nothing = Capture.builder().build();
        ObserverProbe probe = new ObserverProbe(new CalledObserver(nothing), CONFIG, opened.tensors());
        probe.hiddenState(0, gone, batch);
        probe.attention(0, gone, batch);
        assertFalse(probe.wantsFinalState());
    }

    /** Queries of zeros attend to all positions evenly, to as many as their own sequence has. */
    @Test
    void textsReadTogetherAreSeenOneByOne() {
        add(2);
        add(3);
        Tensor qkv = Tensor.allocate(arena, DType.F32, 5, 12);
        List<String> seen = new ArrayList<>();
        new ObserverProbe(new CalledObserver(new ForwardObserver() {
            @Override
            public boolean wantsAttention(int layer, int head) {
                return head == 1;
            }

            @Override
            public void attention(int layer, int head, int position, double[] probabilities) {
                seen.add(head + "@" + position + Arrays.toString(probabilities));
            }
        }), CONFIG, opened.tensors()).attention(0, qkv, batch);
        assertEquals(List.of("1@0[1.0]", "1@1[0.5, 0.5]", "1@0[1.0]", "1@1[0.5, 0.5]",
                "1@2" + Arrays.toString(new double[] {1 / 3.0, 1 / 3.0, 1 / 3.0})), seen);
    }

    @Test
    void activationsOfEveryTypeAreRead() {
        add(1);
        for (DType type : List.of(DType.F64, DType.F32, DType.F16)) {
            Tensor x = Tensor.allocate(arena, type, 1, 4);
            switch (type) {
                case F64 -> x.data().setAtIndex(ValueLayout.JAVA_DOUBLE, 2, -1.5);
                case F32 -> x.data().setAtIndex(ValueLayout.JAVA_FLOAT, 2, -1.5f);
                default -> x.data().setAtIndex(ValueLayout.JAVA_SHORT, 2, Float.floatToFloat16(-1.5f));
            }
            Capture capture = Capture.builder().hiddenStates(0).build();
            new ObserverProbe(new CalledObserver(capture), CONFIG, opened.tensors()).hiddenState(0, x, batch);
            assertEquals("[0.0, 0.0, -1.5, 0.0]", Arrays.toString(capture.hiddenStates(0)[0]), type.toString());
        }
    }
}
