package dev.isthmus.engine.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.kernels.TestBackend;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Passes that are enqueued on a CUDA device without waiting for those before. */
class CudaChunksTest {

    private static final int ROWS = 130;
    private static final int[] IDS = SmallGpt2.ids(ROWS, 5);

    @Test
    void promptsUpTo2048RowsTakeOnePass() {
        assumeCuda();
        try (SmallGpt2 gpu = new SmallGpt2(TestBackend.cuda().getFirst(), 1);
                SmallGpt2 cpu = new SmallGpt2(TestBackend.cpu().getFirst(), 1)) {
            assertEquals(1024, gpu.forward.chunk(1024));
            assertEquals(2048, gpu.forward.chunk(2048));
            assertEquals(1025, gpu.forward.chunk(2049));
            assertEquals(512, cpu.forward.chunk(1024));
            assertEquals(257, cpu.forward.chunk(513));
        }
    }

    private static void assumeCuda() {
        assumeFalse(TestBackend.cuda().isEmpty(), "needs a CUDA driver, or the stand-in for one");
    }

    /** More chunks than the ring of uploads has slots, and fewer. */
    @ParameterizedTest
    @ValueSource(ints = {9, 16, 60})
    void chunksFollowEachOtherWithoutAWait(int chunk) {
        assumeCuda();
        try (SmallGpt2 model = new SmallGpt2(TestBackend.cuda().getFirst(), 1)) {
            double[] all = model.logits(model.newCache(), IDS, 0, ROWS);
            KvCache cache = model.newCache();
            int from = 0;
            for (; from + chunk < ROWS; from += chunk) {
                model.batch.clear();
                model.batch.add(cache, IDS, from, from + chunk);
                model.forward.forward(model.batch, new int[0], model.scratch, LayerProbe.NONE);
            }
            int v = SmallGpt2.VOCABULARY;
            assertArrayEquals(Arrays.copyOfRange(all, from * v, ROWS * v), model.logits(cache, IDS, from, ROWS), 2e-4);
        }
    }
}
