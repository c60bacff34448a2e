package dev.isthmus.engine.session;

import dev.isthmus.engine.cache.BlockPool;
import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.checks.Arguments;
import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.errors.ClosedException;
import dev.isthmus.engine.errors.ConcurrentUseException;
import dev.isthmus.engine.kernels.Backend;
import dev.isthmus.engine.memory.MemoryBudget;
import dev.isthmus.engine.model.Gpt2Fingerprint;
import dev.isthmus.engine.model.Gpt2Forward;
import dev.isthmus.engine.model.Gpt2Weights;
import dev.isthmus.engine.model.Offload;
import dev.isthmus.engine.model.PassPool;
import dev.isthmus.engine.tensor.DType;
import dev.isthmus.engine.tokenizer.Tokenizer;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Supplier;

/**
 * A model in memory: configuration, tokenizer, weights, the backend that computes with them, and the pools that its
 * sequences share. Any number of threads may use it. It holds its weights off-heap until it is closed; calls that
 * {@link #whileOpen} runs keep it from being freed.
 */
public final class LoadedModel implements AutoCloseable {

    private final Files files;
    private final Arena arena;
    private final Backend backend;
    private final Gpt2Forward forward;
    private final MetricsRecorder recorder = new MetricsRecorder();
    private final BlockPool blocks;
    private final PassPool passes;
    private final Lifetime lifetime = new Lifetime();
    /** Set before anything is freed, so that calls from then on are refused instead of waiting. */
    private volatile boolean closed;

    /**
     * What was read of a model besides its weights.
     *
     * @param path the directory or file
     * @param config the hyperparameters
     * @param tokenizer the tokenizer, or why there is none
     * @param fingerprint of the model as it is loaded
     */
    record Files(Path path, Gpt2Config config, TokenizerResult tokenizer, Gpt2Fingerprint fingerprint) {}

    /**
     * A model whose weights are in memory.
     *
     * @param arena holds the weights; the model's from now on, as the backend is
     */
    LoadedModel(Files files, Arena arena, Gpt2Weights weights, Backend backend, LoadOptions.Cache cache) {
        this.files = files;
        this.arena = arena;
        this.backend = backend;
        forward = new Gpt2Forward(files.config, weights, backend, cacheType(cache, weights, backend));
        blocks = forward.newBlockPool(cache.sharing(), cache.limit(), MemoryBudget.PROCESS);
        passes = new PassPool(forward, MemoryBudget.PROCESS);
        MemoryBudget.PROCESS.addWeights(weights.memoryBytes());
    }

    private static DType cacheType(LoadOptions.Cache cache, Gpt2Weights weights, Backend backend) {
        DType type = cache.type().orElseGet(weights::usualCacheType);
        List<DType> possible = backend.cacheTypes(weights.head().weight().type());
        return possible.contains(type) ? type : possible.getFirst();
    }

    /**
     * Loads a model.
     *
     * @param path the directory or file
     * @param options how to load it
     * @return the model, which the caller closes
     * @throws dev.isthmus.engine.errors.CheckpointException if a file is missing or not what it should be
     * @throws dev.isthmus.engine.errors.UnsupportedModelException if the configuration is not one that is computed
     * @throws dev.isthmus.engine.errors.BackendException if no backend can be used
     * @throws dev.isthmus.engine.errors.CancelledException if the thread is interrupted; it stays so
     * @throws dev.isthmus.engine.errors.OutOfMemoryException if the weights do not fit into memory
     */
    public static LoadedModel open(Path path, LoadOptions options) {
        return Offload.call(() -> ModelLoader.load(path, options));
    }

    /** Reads more of the model's files, with the errors of {@link #open}. */
    public <R> R read(Supplier<R> read) {
        return Offload.call(() -> ModelLoader.reading(files.path, read));
    }

    /** The directory or file that it was read from. */
    public Path path() {
        return files.path;
    }

    /** The hyperparameters. */
    public Gpt2Config config() {
        return files.config;
    }

    /** The tokenizer, or why there is none. */
    public TokenizerResult tokenizer() {
        return files.tokenizer;
    }

    /**
     * The tokens of a text, for the call that {@code purpose} names.
     *
     * @throws dev.isthmus.engine.errors.InvalidInputException if the model has no tokenizer
     * @throws dev.isthmus.engine.errors.UnsupportedModelException if it has one that is not supported
     */
    public int[] encode(String purpose, String text) {
        Arguments.nonNull(text, purpose, "text");
        Tokenizer known = files.tokenizer.require(purpose);
        return HeapLimit.within(() -> known.encode(text));
    }

    /** Tells this model, with the types that its weights are kept in, from others: 32 bytes. */
    byte[] fingerprint() {
        return files.fingerprint.bytes();
    }

    /** The memory that its tensors lie in, and what computes with them. */
    public Backend backend() {
        return backend;
    }

    /** The transformer and its weights. */
    public Gpt2Forward forward() {
        return forward;
    }

    /** What the forward passes compute in. */
    public PassPool passes() {
        return passes;
    }

    /** Counts what all sequences do. */
    public MetricsRecorder recorder() {
        return recorder;
    }

    /** An empty cache of no domain of its own. */
    public KvCache newCache() {
        return newCache("");
    }

    /** An empty cache of a domain. */
    public KvCache newCache(String domain) {
        return forward.newCache(blocks).inDomain(domain);
    }

    /** The bytes of keys and values that sequences hold; what several have in common counts once. */
    public long cacheBytes() {
        return blocks.bytes();
    }

    /** The bytes that keys and values could still take; those of finished texts count as free. */
    public long availableCacheBytes() {
        return blocks.availableBytes();
    }

    /** The bytes of keys and values of finished texts, kept for others that begin alike. */
    public long finishedCacheBytes() {
        return blocks.finishedBytes();
    }

    /** The tokens that were not computed, since their keys and values were taken over from other texts. */
    public long prefixTokens() {
        return blocks.takenOver();
    }

    /**
     * Runs {@code work} while the model cannot be freed.
     *
     * @throws ClosedException if the model is closed
     * @throws dev.isthmus.engine.errors.OutOfMemoryException if there is not enough memory
     */
    public <R> R whileOpen(Supplier<R> work) {
        return HeapLimit.within(() -> {
            requireOpen();
            if (!lifetime.enter()) {
                throw closed();
            }
            try {
                return work.get();
            } finally {
                lifetime.leave();
            }
        });
    }

    /**
     * Refuses calls of a model that is closed, but not those within a call that is under way.
     *
     * @throws ClosedException if the model is closed
     */
    public void requireOpen() {
        if (closed && !lifetime.isInside()) {
            throw closed();
        }
    }

    private static ClosedException closed() {
        return new ClosedException("the model is closed; open it again with Model.open");
    }

    /**
     * Ends the model's threads and frees its weights once the calls under way are done; idempotent.
     *
     * @throws ConcurrentUseException if called from inside {@link #whileOpen}
     */
    @Override
    public void close() {
        if (lifetime.isInside()) {
            throw new ConcurrentUseException("close the model: called from inside one of its own calls");
        }
        closed = true;
        lifetime.end(() -> {
            blocks.close();
            passes.close();
            backend.close();
            arena.close();
            MemoryBudget.PROCESS.addWeights(-forward.weights().memoryBytes());
        });
    }
}
