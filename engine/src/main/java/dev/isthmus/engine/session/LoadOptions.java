package dev.isthmus.engine.session;

import dev.isthmus.engine.cache.CacheLimit;
import dev.isthmus.engine.cache.PrefixSharing;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.kernels.Backend;
import dev.isthmus.engine.tensor.DType;
import java.util.List;
import java.util.Optional;
import java.util.function.BiConsumer;
import java.util.function.IntFunction;

/**
 * How to load a model.
 *
 * @param backends open a backend for a number of threads; tried in turn until one can compute the model
 * @param threads the worker threads, the caller's included; 0 for as many as the process has processors
 * @param weights how to keep the weight matrices; empty for as the files have them
 * @param cache how to keep keys and values
 * @param progress told the bytes read of all bytes
 */
public record LoadOptions(List<IntFunction<Backend>> backends, int threads, Optional<WeightType> weights, Cache cache,
        BiConsumer<Long, Long> progress) {

    /**
     * How to keep keys and values.
     *
     * @param type the type asked for; empty for the one that fits the weights. A backend that cannot keep it takes its
     *     own
     * @param sharing whose prefixes are taken over
     * @param limit the most memory for all sequences
     */
    public record Cache(Optional<DType> type, PrefixSharing sharing, CacheLimit limit) {

        /** A cache of some type that finished texts leave to others, as large as the memory permits. */
        public static Cache of(Optional<DType> type) {
            return new Cache(type, PrefixSharing.KEPT, CacheLimit.AUTOMATIC);
        }
    }

    /** The same with another listener. */
    LoadOptions withProgress(BiConsumer<Long, Long> listener) {
        return new LoadOptions(backends, threads, weights, cache, listener);
    }
}
