package dev.isthmus.engine.api;

import dev.isthmus.engine.cache.CacheLimit;
import dev.isthmus.engine.checks.Arguments;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.errors.InvalidInputException;
import java.util.List;
import dev.isthmus.engine.session.LoadOptions;
import java.util.Optional;
import java.util.function.Consumer;

/** How to open a model: {@link #DEFAULT}, and what {@code with…} methods change in it. Immutable. */
public final class ModelOptions {

    /** The most worker threads that may be asked for: more than any machine has processors to run. */
    public static final int MAX_THREADS = 1024;

    /** Automatic backend, weights as stored, all processors, no progress. */
    public static final ModelOptions DEFAULT = new ModelOptions(new Values());

    private static final String WHAT = "model options";

    private final BackendChoice backend;
    private final Optional<WeightType> weights;
    private final CacheType cache;
    private final int threads;
    private final long cacheLimit;
    private final ProgressListener loadProgress;
    private final PrefixCache prefixCache;

    /** The values of options that are being made. */
    private static final class Values {

        private BackendChoice backend = BackendChoice.AUTO;
        private Optional<WeightType> weights = Optional.empty();
        private CacheType cache = CacheType.AUTO;
        private int threads;
        private long cacheLimit;
        private ProgressListener loadProgress = ProgressListener.NONE;
        private PrefixCache prefixCache = PrefixCache.FINISHED;
    }

    private ModelOptions(Values values) {
        backend = values.backend;
        weights = values.weights;
        cache = values.cache;
        threads = values.threads;
        cacheLimit = values.cacheLimit;
        loadProgress = values.loadProgress;
        prefixCache = values.prefixCache;
        if (threads < 0 || threads > MAX_THREADS) {
            throw new InvalidInputException(WHAT + ": threads must be in 0.." + MAX_THREADS
                    + " (0: one per processor), found " + threads);
        }
        if (cacheLimit < 0) {
            throw new InvalidInputException(WHAT + ": the cache limit must be >= 0 bytes (0: what there is)"
                    + ", found " + cacheLimit);
        }
    }

    private ModelOptions changed(Consumer<Values> change) {
        Values values = new Values();
        values.backend = backend;
        values.weights = weights;
        values.cache = cache;
        values.threads = threads;
        values.cacheLimit = cacheLimit;
        values.loadProgress = loadProgress;
        values.prefixCache = prefixCache;
        change.accept(values);
        return new ModelOptions(values);
    }

    /** {@return the kernels to use} */
    public BackendChoice backend() {
        return backend;
    }

    /** {@return how to keep the weight matrices; empty for as the files have them} */
    public Optional<WeightType> weights() {
        return weights;
    }

    /** {@return how sessions keep keys and values; {@link CacheType#AUTO} for a choice that fits the weights} */
    public CacheType cache() {
        return cache;
    }

    /**
     * {@return the worker threads, the caller's included, at most {@value #MAX_THREADS}; 0 for as many as the process
     * has processors} On a GPU they only read the weights.
     */
    public int threads() {
        return threads;
    }

    /**
     * {@return the most bytes that the keys and values of all sessions may take together; 0 for what all models of the
     * process may take: half of the memory of the machine, or of the container that the process is in, or what the
     * models' weights and the largest Java heap leave of it where that is less} More than that they never take.
     */
    public long cacheLimit() {
        return cacheLimit;
    }

    /**
     * {@return what is told the bytes read of all bytes while the weights load} What it throws ends the opening and is
     * thrown by it.
     */
    public ProgressListener loadProgress() {
        return loadProgress;
    }

    /** {@return which texts' keys and values others that begin alike take over} */
    public PrefixCache prefixCache() {
        return prefixCache;
    }

    /**
     * {@return the same with another backend}
     *
     * @param choice the kernels to use
     */
    public ModelOptions withBackend(BackendChoice choice) {
        Arguments.nonNull(choice, WHAT, "choice");
        return changed(values -> values.backend = choice);
    }

    /**
     * {@return the same with weight matrices kept as {@code type}}
     *
     * @param type how to keep the weight matrices
     */
    public ModelOptions withWeights(WeightType type) {
        Arguments.nonNull(type, WHAT, "type");
        return changed(values -> values.weights = Optional.of(type));
    }

    /**
     * {@return the same with another type of cache}
     *
     * @param type how sessions keep keys and values
     */
    public ModelOptions withCache(CacheType type) {
        Arguments.nonNull(type, WHAT, "type");
        return changed(values -> values.cache = type);
    }

    /**
     * {@return the same with another number of threads}
     *
     * @param count the worker threads, the caller's included, at most {@value #MAX_THREADS}; 0 for as many as the process
     *     has processors
     */
    public ModelOptions withThreads(int count) {
        return changed(values -> values.threads = count);
    }

    /**
     * {@return the same with another limit to the memory for keys and values}
     *
     * @param bytes for all sessions together; 0 for what all models may take
     */
    public ModelOptions withCacheLimit(long bytes) {
        return changed(values -> values.cacheLimit = bytes);
    }

    /**
     * {@return the same with a listener for the progress of loading}
     *
     * @param listener told the bytes read of all bytes
     */
    public ModelOptions withLoadProgress(ProgressListener listener) {
        Arguments.nonNull(listener, WHAT, "listener");
        return changed(values -> values.loadProgress = listener);
    }

    /**
     * {@return the same with another choice of whose prefixes are shared}
     *
     * @param choice which texts' keys and values others that begin alike take over
     */
    public ModelOptions withPrefixCache(PrefixCache choice) {
        Arguments.nonNull(choice, WHAT, "choice");
        return changed(values -> values.prefixCache = choice);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof ModelOptions options && values().equals(options.values());
    }

    @Override
    public int hashCode() {
        return values().hashCode();
    }

    @Override
    public String toString() {
        return "ModelOptions[backend=" + backend + ", weights=" + weights + ", cache=" + cache + ", threads=" + threads
                + ", cacheLimit=" + cacheLimit + ", loadProgress=" + loadProgress + ", prefixCache=" + prefixCache + "]";
    }

    private List<Object> values() {
        return List.of(backend, weights, cache, threads, cacheLimit, loadProgress, prefixCache);
    }

    /** The same for what loads models. */
    LoadOptions forLoading() {
        return new LoadOptions(backend.candidates(), threads, weights,
                new LoadOptions.Cache(cache.type(), prefixCache.sharing(), new CacheLimit(cacheLimit)),
                loadProgress::update);
    }
}
