package dev.isthmus.engine.api;

import dev.isthmus.engine.cache.CacheLimit;
import dev.isthmus.engine.checks.Arguments;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.errors.InvalidInputException;
import dev.isthmus.engine.session.LoadOptions;
import java.util.Optional;

/**
 * How to open a model.
 *
 * @param backend the kernels to use
 * @param weights how to keep the weight matrices; empty for as the files have them
 * @param cache how sessions keep keys and values; {@link CacheType#AUTO} for a choice that fits the weights
 * @param threads the worker threads, the caller's included, at most {@value #MAX_THREADS}; 0 for as many as the process
 *     has processors. On a GPU they only read the weights
 * @param cacheLimit the most bytes that the keys and values of all sessions may take together; 0 for what all models of
 *     the process may take: half of the memory of the machine, or of the container that the process is in, or what the
 *     models' weights and the largest Java heap leave of it where that is less. More than that they never take
 * @param loadProgress told the bytes read of all bytes while the weights load; what it throws ends the
 *     opening and is thrown by it
 * @param prefixCache which texts' keys and values others that begin alike take over
 */
public record ModelOptions(BackendChoice backend, Optional<WeightType> weights, CacheType cache, int threads,
        long cacheLimit, ProgressListener loadProgress, PrefixCache prefixCache) {

    /** The most worker threads that may be asked for: more than any machine has processors to run. */
    public static final int MAX_THREADS = 1024;

    /** Automatic backend, weights as stored, all processors, no progress. */
    public static final ModelOptions DEFAULT =
            new ModelOptions(BackendChoice.AUTO, Optional.empty(), CacheType.AUTO, 0, 0, ProgressListener.NONE);

    /**
     * Checks the values.
     *
     * @throws InvalidInputException if one is null or out of range
     */
    public ModelOptions {
        Arguments.nonNull(backend, "model options", "backend");
        Arguments.nonNull(weights, "model options", "weights");
        Arguments.nonNull(cache, "model options", "cache");
        Arguments.nonNull(loadProgress, "model options", "loadProgress");
        Arguments.nonNull(prefixCache, "model options", "prefixCache");
        if (threads < 0 || threads > MAX_THREADS) {
            throw new InvalidInputException("model options: threads must be in 0.." + MAX_THREADS
                    + " (0: one per processor), found " + threads);
        }
        if (cacheLimit < 0) {
            throw new InvalidInputException("model options: the cache limit must be >= 0 bytes (0: what there is)"
                    + ", found " + cacheLimit);
        }
    }

    /**
     * Options that keep prefixes of finished texts.
     *
     * @param backend the kernels to use
     * @param weights how to keep the weight matrices; empty for as the files have them
     * @param cache how sessions keep keys and values
     * @param threads the worker threads; 0 for as many as the process has processors
     * @param cacheLimit the most bytes that the keys and values of all sessions may take together; 0 for what there is
     * @param loadProgress told the bytes read of all bytes while the weights load
     */
    public ModelOptions(BackendChoice backend, Optional<WeightType> weights, CacheType cache, int threads,
            long cacheLimit, ProgressListener loadProgress) {
        this(backend, weights, cache, threads, cacheLimit, loadProgress, PrefixCache.FINISHED);
    }

    /**
     * {@return the same with another backend}
     *
     * @param choice the kernels to use
     */
    public ModelOptions withBackend(BackendChoice choice) {
        Arguments.nonNull(choice, "model options", "choice");
        return new ModelOptions(choice, weights, cache, threads, cacheLimit, loadProgress, prefixCache);
    }

    /**
     * {@return the same with weight matrices kept as {@code type}}
     *
     * @param type how to keep the weight matrices
     */
    public ModelOptions withWeights(WeightType type) {
        return new ModelOptions(backend, Optional.of(Arguments.nonNull(type, "model options", "type")), cache, threads, cacheLimit, loadProgress, prefixCache);
    }

    /**
     * {@return the same with another type of cache}
     *
     * @param type how sessions keep keys and values
     */
    public ModelOptions withCache(CacheType type) {
        Arguments.nonNull(type, "model options", "type");
        return new ModelOptions(backend, weights, type, threads, cacheLimit, loadProgress, prefixCache);
    }

    /**
     * {@return the same with another number of threads}
     *
     * @param count the worker threads, the caller's included, at most {@value #MAX_THREADS}; 0 for as many as the process has processors
     */
    public ModelOptions withThreads(int count) {
        return new ModelOptions(backend, weights, cache, count, cacheLimit, loadProgress, prefixCache);
    }

    /**
     * {@return the same with another limit to the memory for keys and values}
     *
     * @param bytes for all sessions together; 0 for what all models may take
     */
    public ModelOptions withCacheLimit(long bytes) {
        return new ModelOptions(backend, weights, cache, threads, bytes, loadProgress, prefixCache);
    }

    /**
     * {@return the same with a listener for the progress of loading}
     *
     * @param listener told the bytes read of all bytes
     */
    public ModelOptions withLoadProgress(ProgressListener listener) {
        Arguments.nonNull(listener, "model options", "listener");
        return new ModelOptions(backend, weights, cache, threads, cacheLimit, listener, prefixCache);
    }

    /**
     * {@return the same with another choice of whose prefixes are shared}
     *
     * @param choice which texts' keys and values others that begin alike take over
     */
    public ModelOptions withPrefixCache(PrefixCache choice) {
        Arguments.nonNull(choice, "model options", "choice");
        return new ModelOptions(backend, weights, cache, threads, cacheLimit, loadProgress, choice);
    }

    /** The same for what loads models. */
    LoadOptions forLoading() {
        return new LoadOptions(backend.candidates(), threads, weights,
                new LoadOptions.Cache(cache.type(), prefixCache.sharing(), new CacheLimit(cacheLimit)),
                loadProgress::update);
    }
}
