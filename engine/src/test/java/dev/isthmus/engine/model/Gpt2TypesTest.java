package dev.isthmus.engine.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.kernels.Backend;
import dev.isthmus.engine.kernels.Backends;
import dev.isthmus.engine.kernels.TestBackend;
import dev.isthmus.engine.tensor.DType;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The forward pass with weights of every type and caches of every type, on every backend. */
@ParameterizedClass
@MethodSource("all")
record Gpt2TypesTest(TestBackend backend, WeightType type, DType cacheType) {

    private static final int V = SmallGpt2.VOCABULARY;
    private static final int ROWS = 130;
    private static final int[] IDS = SmallGpt2.ids(ROWS, 5);

    /**
     * What a cache in float16 may change of a logit, as a part of the logits' root mean square, in these three layers of
     * random weights: keys and values lose 2⁻¹² of their size at most.
     */
    private static final double HALF_CACHE_BOUND = 0.01;

    /** What rounding activations to a type may change of some rows' logits on a GPU, as a part of their size. */
    private static final double FLOAT32_BOUND = 4e-6;
    private static final double HALF_BOUND = 0.006;
    private static final double BFLOAT16_BOUND = 0.05;

    private static final Map<WeightType, double[]> EXACT = new EnumMap<>(WeightType.class);

    /** Where activations are rounded to bytes, a little change becomes a step of a 127th for some of them. */
    private static final double HALF_CACHE_BOUND_WITH_BYTES = 0.15;

    /** Of a cache in bytes, keys, values and queries lose a 254th of their head's largest channel at most. */
    private static final double BYTE_CACHE_BOUND = 0.25;

    static Stream<Arguments> all() {
        return TestBackend.all().flatMap(backend -> Arrays.stream(WeightType.values()).filter(backend::takesWeights)
                .flatMap(type -> cacheTypes(backend, type).map(cacheType -> Arguments.of(backend, type, cacheType))));
    }

    private static Stream<DType> cacheTypes(TestBackend backend, WeightType type) {
        try (Backend opened = backend.open(1)) {
            return opened.cacheTypes(type).stream();
        }
    }

    private SmallGpt2 open(int threads) {
        return open(threads, cacheType);
    }

    private SmallGpt2 open(int threads, DType cache) {
        return new SmallGpt2(backend.open(threads), backend.isCuda(), type, Optional.of(cache));
    }

    private double[] logits() {
        try (SmallGpt2 model = open(2)) {
            return model.logits(model.newCache(), IDS, 0, ROWS);
        }
    }

    @Test
    void logitsAreBitIdenticalForAnyNumberOfThreads() {
        try (SmallGpt2 single = open(1); SmallGpt2 several = open(3)) {
            KvCache a = single.newCache();
            KvCache b = several.newCache();
            assertArrayEquals(single.logits(a, IDS, 0, ROWS - 1), several.logits(b, IDS, 0, ROWS - 1));
            assertArrayEquals(single.logits(a, IDS, ROWS - 1, ROWS), several.logits(b, IDS, ROWS - 1, ROWS));
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 7, 65, ROWS})
    void readingInChunksGivesTheSameBits(int chunk) {
        double[] atOnce = logits();
        try (SmallGpt2 model = open(2)) {
            KvCache cache = model.newCache();
            assertEquals(cacheType, cache.type());
            for (int from = 0; from < ROWS; from += chunk) {
                int to = Math.min(from + chunk, ROWS);
                assertRows(atOnce, from, to, model.logits(cache, IDS, from, to));
            }
            model.tensors.assertGuardsIntact();
        }
    }

    @Test
    void aSequenceAmongOthersGetsTheSameBitsAsAlone() {
        double[] alone = logits();
        try (SmallGpt2 model = open(2)) {
            KvCache cache = model.newCache();
            List<KvCache> others = Stream.generate(model::newCache).limit(20).toList();
            for (int from = 0, step = 0; from < ROWS; step++) {
                int to = Math.min(from + 1 + 9 * (step % 3), ROWS);
                model.batch.clear();
                for (int i = 0; i < step % others.size(); i++) {
                    model.batch.add(others.get(i), SmallGpt2.ids(1, step + i), 0, 1);
                }
                int first = model.batch.rows();
                model.batch.add(cache, IDS, from, to);
                double[] together = model.tensors.doubles(model.forward.forward(model.batch, model.batch.allRows(),
                        model.scratch, LayerProbe.NONE));
                assertRows(alone, from, to, Arrays.copyOfRange(together, first * V, (first + to - from) * V));
                from = to;
            }
            assertEquals(!backend.mayAddInAnotherOrder(), model.backend.isBatchInvariant());
        }
    }

    @Test
    void rowsGetTheSameBitsWhicheverOfThemGetLogits() {
        double[] all = logits();
        int[][] wanted = {{}, {12}, {0, 1, 2}, {3, 11, 12}, {5}, {}, {0, 12}, {12}, {}, {12}};
        try (SmallGpt2 model = open(2)) {
            KvCache cache = model.newCache();
            int rows = ROWS / wanted.length;
            for (int[] outputs : wanted) {
                int from = cache.length();
                model.batch.clear();
                model.batch.add(cache, IDS, from, from + rows);
                double[] found = model.tensors.doubles(model.forward.forward(model.batch, outputs, model.scratch,
                        LayerProbe.NONE));
                assertEquals(outputs.length * V, found.length);
                for (int i = 0; i < outputs.length; i++) {
                    int row = from + outputs[i];
                    assertRows(all, row, row + 1, Arrays.copyOfRange(found, i * V, (i + 1) * V));
                }
            }
            assertEquals(ROWS, cache.length());
            model.tensors.assertGuardsIntact();
        }
    }

    @Test
    void aRewoundCacheContinuesAsIfTheRestHadNeverBeen() {
        double[] atOnce = logits();
        try (SmallGpt2 model = open(1)) {
            KvCache cache = model.newCache();
            model.logits(cache, SmallGpt2.ids(100, 9), 0, 100);
            cache.rewind(0);
            model.logits(cache, IDS, 0, 90);
            cache.rewind(65);
            assertRows(atOnce, 65, ROWS, model.logits(cache, IDS, 65, ROWS));
        }
    }

    @Test
    void onlyACacheOfFewerBitsChangesLogitsAndThatLittle() {
        double[] found = logits();
        try (SmallGpt2 model = new SmallGpt2(backend.open(2), backend.isCuda(), type, Optional.empty())) {
            KvCache cache = model.newCache();
            double[] usual = model.logits(cache, IDS, 0, ROWS);
            double size = Math.sqrt(Arrays.stream(usual).map(x -> x * x).average().orElseThrow());
            double worst = 0;
            for (int i = 0; i < usual.length; i++) {
                worst = Math.max(worst, Math.abs(usual[i] - found[i]) / size);
            }
            boolean fewer = cacheType == DType.F16 || cacheType == DType.INT8;
            assertEquals(fewer && !backend.isCuda(), worst > 0, "rounded, where that is not usual");
            boolean bytes = type.isQuantized() && model.backend.weights().packs();
            double bound = cacheType == DType.INT8 ? BYTE_CACHE_BOUND
                    : bytes ? HALF_CACHE_BOUND_WITH_BYTES : HALF_CACHE_BOUND;
            assertTrue(worst <= bound, "expected within " + bound + ", found " + worst);
        }
    }

    /**
     * Checks the logits of rows [from, to). They are those of {@code all} bit for bit, but where another library takes over
     * from some number of rows on: what lies between the products, or a cache of fewer bits, makes that larger. On a GPU
     * they are near to what float64 makes of the same rounded weights.
     */
    private void assertRows(double[] all, int from, int to, double[] found) {
        double[] expected = Arrays.copyOfRange(all, from * V, to * V);
        if (backend.isCuda()) {
            assertNear(Arrays.copyOfRange(exact(), from * V, to * V), found);
        } else if (!backend.mayAddInAnotherOrder()) {
            assertArrayEquals(expected, found);
        } else {
            assertArrayEquals(expected, found, switch (cacheType) {
                case F64, F32 -> 2e-4;
                case F16 -> 0.2;
                case BF16, INT8 -> 1.6;
            });
        }
    }

    private void assertNear(double[] expected, double[] found) {
        double squares = 0;
        double errors = 0;
        for (int i = 0; i < found.length; i++) {
            squares += expected[i] * expected[i];
            errors += (found[i] - expected[i]) * (found[i] - expected[i]);
        }
        double error = Math.sqrt(errors / squares);
        double bound = switch (type) {
            case F32 -> FLOAT32_BOUND;
            case F16 -> HALF_BOUND;
            default -> BFLOAT16_BOUND;
        };
        assertTrue(error <= bound, "expected a relative error within " + bound + ", found " + error);
    }

    /** The logits of all rows in float64, with the same rounded weights. */
    private double[] exact() {
        return EXACT.computeIfAbsent(type, rounded -> {
            try (SmallGpt2 model = new SmallGpt2(Backends.reference(), true, rounded, Optional.empty())) {
                return model.logits(model.newCache(), IDS, 0, ROWS);
            }
        });
    }
}
