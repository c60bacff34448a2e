package dev.isthmus.engine.api;

import java.util.Objects;
import java.util.function.BiConsumer;

/**
 * How to open a model.
 *
 * @param backend the kernels to use
 * @param threads the worker threads, the caller's included; 0 for as many as the process has processors
 * @param loadProgress told (bytes read, bytes in all) while the weights load, from any thread
 */
public record ModelOptions(BackendChoice backend, int threads, BiConsumer<Long, Long> loadProgress) {

    /** Automatic backend, all processors, no progress. */
    public static final ModelOptions DEFAULT = new ModelOptions(BackendChoice.AUTO, 0, (done, total) -> {});

    /**
     * Checks the values.
     *
     * @throws IllegalArgumentException if {@code threads} is negative
     */
    public ModelOptions {
        Objects.requireNonNull(backend, "backend");
        Objects.requireNonNull(loadProgress, "loadProgress");
        if (threads < 0) {
            throw new IllegalArgumentException("threads must be >= 0 (0: one per processor), found " + threads);
        }
    }

    /** The same with another backend. */
    public ModelOptions withBackend(BackendChoice choice) {
        return new ModelOptions(choice, threads, loadProgress);
    }

    /** The same with another number of threads. */
    public ModelOptions withThreads(int count) {
        return new ModelOptions(backend, count, loadProgress);
    }

    /** The same with a listener for the progress of loading. */
    public ModelOptions withLoadProgress(BiConsumer<Long, Long> listener) {
        return new ModelOptions(backend, threads, listener);
    }
}
