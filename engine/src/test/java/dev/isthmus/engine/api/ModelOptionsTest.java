package dev.isthmus.engine.api;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import dev.isthmus.engine.config.WeightType;
import java.util.List;
import java.util.Optional;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;

/** Values of options for models and batches. */
class ModelOptionsTest {

    private static final List<UnaryOperator<ModelOptions>> MODEL_CHANGES = List.of(
            options -> options.withBackend(BackendChoice.REFERENCE), options -> options.withWeights(WeightType.INT8),
            options -> options.withCache(CacheType.F16), options -> options.withThreads(3),
            options -> options.withCacheLimit(5), options -> options.withLoadProgress((done, all) -> {}),
            options -> options.withPrefixCache(PrefixCache.OPEN));

    private static final List<UnaryOperator<BatchingOptions>> BATCHING_CHANGES = List.of(
            options -> options.withMaxBatch(3), options -> options.withQueueCapacity(5),
            options -> options.withPrefillRows(7));

    @Test
    void aChangeKeepsAllOtherValues() {
        ModelOptions options = ModelOptions.DEFAULT;
        for (UnaryOperator<ModelOptions> change : MODEL_CHANGES) {
            options = change.apply(options);
        }
        assertEquals(List.of(BackendChoice.REFERENCE, Optional.of(WeightType.INT8), CacheType.F16, 3, 5L,
                PrefixCache.OPEN), List.of(options.backend(), options.weights(), options.cache(), options.threads(),
                        options.cacheLimit(), options.prefixCache()));
        assertNotEquals(ProgressListener.NONE, options.loadProgress());
    }

    @Test
    void aChangeMakesOptionsUnequal() {
        MODEL_CHANGES.forEach(change -> assertUnequal(ModelOptions.DEFAULT, change.apply(ModelOptions.DEFAULT)));
        BATCHING_CHANGES.forEach(change ->
                assertUnequal(BatchingOptions.DEFAULT, change.apply(BatchingOptions.DEFAULT)));
    }

    private static void assertUnequal(Object options, Object changed) {
        assertNotEquals(options, changed);
        assertNotEquals(options.toString(), changed.toString());
    }

    @Test
    void equalValuesMakeEqualOptions() {
        ModelOptions model = ModelOptions.DEFAULT.withThreads(0);
        assertEquals(ModelOptions.DEFAULT, model);
        assertEquals(ModelOptions.DEFAULT.hashCode(), model.hashCode());
        BatchingOptions batching = new BatchingOptions(32, 256, 128);
        assertEquals(BatchingOptions.DEFAULT, batching);
        assertEquals(BatchingOptions.DEFAULT.hashCode(), batching.hashCode());
    }
}
