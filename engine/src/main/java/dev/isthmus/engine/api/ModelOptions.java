package dev.isthmus.engine.api;

import dev.isthmus.engine.config.WeightType;
import java.util.Objects;
import java.util.Optional;
import java.util.function.BiConsumer;

/**
 * How to open a model.
 *
 * @param backend the kernels to use
 * @param weights how to keep the weight matrices; empty for as the files have them
 * @param cache how sessions keep keys and values; {@link CacheType#AUTO} for a choice that fits the weights
 * @param threads the worker threads, the caller's included; 0 for as many as the process has processors. On a GPU they
 *     only read the weights
 * @param loadProgress told (bytes read, bytes in all) while the weights load, from any thread
 */
public record ModelOptions(BackendChoice backend, Optional<WeightType> weights, CacheType cache, int threads,
        BiConsumer<Long, Long> loadProgress) {

    /** Automatic backend, weights as stored, all processors, no progress. */
    public static final ModelOptions DEFAULT =
            new ModelOptions(BackendChoice.AUTO, Optional.empty(), CacheType.AUTO, 0, (done, total) -> {});

    /**
     * Checks the values.
     *
     * @throws IllegalArgumentException if {@code threads} is negative
     */
    public ModelOptions {
        Objects.requireNonNull(backend, "backend");
        Objects.requireNonNull(weights, "weights");
        Objects.requireNonNull(cache, "cache");
        Objects.requireNonNull(loadProgress, "loadProgress");
        if (threads < 0) {
            throw new IllegalArgumentException("threads must be >= 0 (0: one per processor), found " + threads);
        }
    }

    /** The same with another backend. */
    public ModelOptions withBackend(BackendChoice choice) {
        return new ModelOptions(choice, weights, cache, threads, loadProgress);
    }

    /** The same with weight matrices kept as {@code type}. */
    public ModelOptions withWeights(WeightType type) {
        return new ModelOptions(backend, Optional.of(type), cache, threads, loadProgress);
    }

    /** The same with another type of cache. */
    public ModelOptions withCache(CacheType type) {
        return new ModelOptions(backend, weights, type, threads, loadProgress);
    }

    /** The same with another number of threads. */
    public ModelOptions withThreads(int count) {
        return new ModelOptions(backend, weights, cache, count, loadProgress);
    }

    /** The same with a listener for the progress of loading. */
    public ModelOptions withLoadProgress(BiConsumer<Long, Long> listener) {
        return new ModelOptions(backend, weights, cache, threads, listener);
    }
}
