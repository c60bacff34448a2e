package dev.isthmus.engine.model;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.kernels.Backends;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Looking inside costs nothing where nobody looks: no operation, no tensor. */
class UnobservedPassTest {

    private static final List<String> BLOCK = List.of("layerNorm", "linearPart", "appendAndAttend",
            "linearAddNorm", "linear", "linearAdd");

    private final List<String> calls = new ArrayList<>();
    private SmallGpt2 model;
    private KvCache cache;

    @BeforeEach
    void open() {
        model = new SmallGpt2(InterceptedBackend.of(Backends.cpu(1), name -> {
            calls.add(name);
            return null;
        }), false, WeightType.F32, Optional.empty());
        cache = model.newCache();
        // The first pass allocates the scratch that later ones use.
        pass(0, 9, LayerProbe.NONE);
        calls.clear();
    }

    @AfterEach
    void close() {
        model.close();
    }

    private void pass(int from, int to, LayerProbe probe) {
        forward(from, to, probe, to - from - 1);
    }

    private void forward(int from, int to, LayerProbe probe, int... outputRows) {
        model.batch.clear();
        model.batch.add(cache, SmallGpt2.ids(to, 5), from, to);
        model.forward.forward(model.batch, outputRows, model.scratch, probe);
    }

    private static List<String> blocks(int count) {
        List<String> expected = new ArrayList<>(List.of("embedding"));
        for (int layer = 0; layer < count; layer++) {
            expected.addAll(BLOCK);
        }
        return expected;
    }

    private static List<String> transformer() {
        List<String> expected = blocks(SmallGpt2.LAYERS);
        expected.addAll(List.of("selectRows", "layerNorm", "linear"));
        return expected;
    }

    @Test
    void aPassIsTheTransformersOwnOperationsAndAllocatesNothing() {
        pass(9, 10, LayerProbe.NONE);
        assertEquals(transformer(), calls);
    }

    @Test
    void behindTheLastAttentionAPromptIsTheRowWithLogitsAlone() {
        pass(9, 15, LayerProbe.NONE);
        List<String> expected = blocks(SmallGpt2.LAYERS - 1);
        expected.addAll(List.of("layerNorm", "linearPart", "appendAndAttend", "selectRows", "selectRows",
                "linearAddNorm", "linear", "linearAdd", "layerNorm", "linear"));
        assertEquals(expected, calls);
    }

    @Test
    void aPromptsFirstPartEndsWithItsLastKeysAndValues() {
        forward(9, 15, LayerProbe.NONE);
        List<String> expected = blocks(SmallGpt2.LAYERS - 1);
        expected.addAll(List.of("layerNorm", "linearPart", "appendKeysAndValues"));
        assertEquals(expected, calls);
    }

    @Test
    void theFinalStatesOfAllRowsTakeOneLayerNormMore() {
        pass(9, 15, new LayerProbe() {
            @Override
            public boolean wantsFinalState() {
                return true;
            }
        });
        List<String> expected = transformer();
        expected.add(expected.size() - 3, "layerNorm");
        assertEquals(expected, calls);
    }
}
