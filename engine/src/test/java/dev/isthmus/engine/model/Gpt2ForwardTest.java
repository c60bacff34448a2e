package dev.isthmus.engine.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.errors.CancelledException;
import dev.isthmus.engine.errors.ContextFullException;
import dev.isthmus.engine.errors.InvalidInputException;
import dev.isthmus.engine.kernels.Backends;
import dev.isthmus.engine.kernels.TestBackend;
import java.util.Arrays;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The forward pass as a whole, on every backend. */
@ParameterizedClass
@MethodSource("dev.isthmus.engine.kernels.TestBackend#all")
record Gpt2ForwardTest(TestBackend backend) {

    private static final int V = SmallGpt2.VOCABULARY;
    private static final double TOLERANCE = 2e-4;

    private static final double[] OF_ODD_SIZES = reference(false);
    private static final double[] OF_EVEN_SIZES = reference(true);

    private static double[] reference(boolean even) {
        try (SmallGpt2 model = new SmallGpt2(Backends.reference(), even, WeightType.F32, Optional.empty())) {
            return model.logits(model.newCache(), SmallGpt2.ids(130, 5), 0, 130);
        }
    }

    private double[] expected() {
        return backend.isCuda() ? OF_EVEN_SIZES : OF_ODD_SIZES;
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 7, 16, 17, 64, 130})
    void readingInChunksOfAnySizeGivesTheReferenceLogits(int chunk) {
        try (SmallGpt2 model = new SmallGpt2(backend, 2)) {
            int[] ids = SmallGpt2.ids(130, 5);
            KvCache cache = model.newCache();
            for (int from = 0; from < ids.length; from += chunk) {
                int to = Math.min(from + chunk, ids.length);
                assertClose(Arrays.copyOfRange(expected(), from * V, to * V), model.logits(cache, ids, from, to));
                assertEquals(to, cache.length());
            }
            model.tensors.assertGuardsIntact();
        }
    }

    @Test
    void sequencesComputedTogetherAgreeWithEachAlone() {
        try (SmallGpt2 model = new SmallGpt2(backend, 2)) {
            int[] lengths = {70, 1, 5, 64};
            int[][] ids = new int[lengths.length][];
            KvCache[] caches = new KvCache[lengths.length];
            double[][] alone = new double[lengths.length][];
            for (int s = 0; s < lengths.length; s++) {
                ids[s] = SmallGpt2.ids(lengths[s] + 1, s);
                alone[s] = model.logits(model.newCache(), ids[s], 0, lengths[s] + 1);
                caches[s] = model.newCache();
            }
            for (boolean decode : new boolean[] {false, true}) {
                model.batch.clear();
                for (int s = 0; s < lengths.length; s++) {
                    model.batch.add(caches[s], ids[s], decode ? lengths[s] : 0, decode ? lengths[s] + 1 : lengths[s]);
                }
                double[] together = model.tensors.doubles(model.forward.forward(model.batch, model.batch.lastRows(),
                        model.scratch, LayerProbe.NONE));
                for (int s = 0; s < lengths.length; s++) {
                    int row = decode ? lengths[s] : lengths[s] - 1;
                    assertClose(Arrays.copyOfRange(alone[s], row * V, (row + 1) * V),
                            Arrays.copyOfRange(together, s * V, (s + 1) * V));
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 3, 4})
    void logitsAreBitIdenticalForAnyNumberOfThreads(int threads) {
        int[] ids = SmallGpt2.ids(40, 2);
        try (SmallGpt2 single = new SmallGpt2(backend, 1); SmallGpt2 several = new SmallGpt2(backend, threads)) {
            KvCache a = single.newCache();
            KvCache b = several.newCache();
            assertArrayEquals(single.logits(a, ids, 0, 39), several.logits(b, ids, 0, 39));
            assertArrayEquals(single.logits(a, ids, 39, 40), several.logits(b, ids, 39, 40));
        }
    }

    @Test
    void aRewoundCacheContinuesAsIfTheRestHadNeverBeen() {
        try (SmallGpt2 model = new SmallGpt2(backend, 1)) {
            int[] ids = SmallGpt2.ids(130, 5);
            KvCache cache = model.newCache();
            model.logits(cache, SmallGpt2.ids(100, 9), 0, 100);
            cache.rewind(0);
            model.logits(cache, ids, 0, 90);
            cache.rewind(65);
            assertClose(Arrays.copyOfRange(expected(), 65 * V, 130 * V), model.logits(cache, ids, 65, 130));
        }
    }

    @Test
    void aCancelledPassLeavesTheCacheAsItWas() {
        try (SmallGpt2 model = new SmallGpt2(backend, 1)) {
            int[] ids = SmallGpt2.ids(130, 5);
            KvCache cache = model.newCache();
            model.logits(cache, ids, 0, 20);
            model.batch.clear();
            model.batch.add(cache, ids, 50, 60);
            int[] asked = {0};
            assertThrows(CancelledException.class, () -> model.forward.forward(model.batch, model.batch.lastRows(),
                    model.scratch, new LayerProbe() {
                        @Override
                        public boolean cancelled() {
                            return ++asked[0] == 3;
                        }
                    }));
            assertEquals(20, cache.length());
            assertClose(Arrays.copyOfRange(expected(), 20 * V, 130 * V), model.logits(cache, ids, 20, 130));
        }
    }

    @Test
    void tokensOutsideTheVocabularyAreRefused() {
        try (SmallGpt2 model = new SmallGpt2(backend, 1)) {
            for (int bad : new int[] {-1, V, Integer.MIN_VALUE, Integer.MAX_VALUE}) {
                KvCache cache = model.newCache();
                InvalidInputException refused = assertThrows(InvalidInputException.class,
                        () -> model.logits(cache, new int[] {1, bad}, 0, 2));
                assertTrue(refused.getMessage().contains("token id " + bad + " at position 1"));
                assertEquals(0, cache.length());
            }
        }
    }

    @Test
    void moreTokensThanTheContextHoldsAreRefused() {
        try (SmallGpt2 model = new SmallGpt2(backend, 1)) {
            KvCache cache = model.newCache();
            int context = SmallGpt2.CONTEXT;
            int[] ids = SmallGpt2.ids(context + 1, 0);
            assertThrows(ContextFullException.class, () -> model.logits(cache, ids, 0, context + 1));
            model.logits(cache, ids, 0, context);
            ContextFullException full = assertThrows(ContextFullException.class,
                    () -> model.logits(cache, ids, context, context + 1));
            assertEquals(context, full.limit());
        }
    }

    private static void assertClose(double[] expected, double[] found) {
        assertEquals(expected.length, found.length);
        for (int i = 0; i < expected.length; i++) {
            int index = i;
            assertTrue(Math.abs(expected[i] - found[i]) <= TOLERANCE, () -> "logit " + index % V + " of row "
                    + index / V + ": expected " + expected[index] + ", found " + found[index]);
        }
    }
}
