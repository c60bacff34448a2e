package dev.isthmus.engine.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.kernels.TestBackend;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Passes that are enqueued on a CUDA device without waiting for those before. */
class CudaChunksTest {

    private static final int ROWS = 130;
    private static final int[] IDS = SmallGpt2.ids(ROWS, 5);

    /** More chunks than the ring of uploads has slots, and fewer. */
    @ParameterizedTest
    @ValueSource(ints = {9, 16, 60})
    void chunksFollowEachOtherWithoutAWait(int chunk) {
        List<TestBackend> cuda = TestBackend.cuda();
        assumeFalse(cuda.isEmpty(), "needs a CUDA driver, or the stand-in for one");
        try (SmallGpt2 model = new SmallGpt2(cuda.getFirst(), 1)) {
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
