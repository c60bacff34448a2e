package dev.isthmus.engine.api;

import dev.isthmus.engine.cache.BlockPool;
import dev.isthmus.engine.cache.CacheLimit;
import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.cache.PrefixSharing;
import dev.isthmus.engine.checkpoint.Checkpoint;
import dev.isthmus.engine.checkpoint.ModelPath;
import dev.isthmus.engine.checks.Arguments;
import dev.isthmus.engine.checks.Interrupts;
import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.config.KernelKind;
import dev.isthmus.engine.errors.BackendException;
import dev.isthmus.engine.errors.ClosedException;
import dev.isthmus.engine.errors.ConcurrentUseException;
import dev.isthmus.engine.errors.InvalidInputException;
import dev.isthmus.engine.errors.OutOfMemoryException;
import dev.isthmus.engine.errors.SnapshotException;
import dev.isthmus.engine.errors.UnsupportedModelException;
import dev.isthmus.engine.files.MemoryLimit;
import dev.isthmus.engine.kernels.Backend;
import dev.isthmus.engine.kernels.Backends;
import dev.isthmus.engine.memory.MemoryBudget;
import dev.isthmus.engine.model.Gpt2Fingerprint;
import dev.isthmus.engine.model.Gpt2Forward;
import dev.isthmus.engine.model.Gpt2Loader;
import dev.isthmus.engine.model.Gpt2Weights;
import dev.isthmus.engine.model.Offload;
import dev.isthmus.engine.model.PassPool;
import dev.isthmus.engine.tensor.DType;
import dev.isthmus.engine.tokenizer.Tokenizer;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;
import jdk.jfr.FlightRecorder;

/**
 * A GPT-2 model: weights, configuration and tokenizer. Immutable; any number of threads may use it, each with its own
 * {@link Session}. It holds its weights off-heap until it is closed.
 */
public final class Model implements AutoCloseable {

    private static final String OUT_OF_MEMORY = "a call of the model or of one of its sessions takes more memory than"
            + " the process gets; close sessions, or raise the process's limit or Java's -Xmx";

    /** What {@link Throwable#addSuppressed} says of an error that would suppress itself. */
    private static final String SELF_SUPPRESSION = "Self-suppression not permitted";

    /** Thrown where there is not even memory for another; without a trace, since it may be thrown anywhere. */
    private static final OutOfMemoryException PREPARED = new OutOfMemoryException(OUT_OF_MEMORY, null);

    static {
        PREPARED.setStackTrace(new StackTraceElement[0]);
    }

    private final Arena arena;
    private final Gpt2Config config;
    private final GenerationDefaults generationDefaults;
    private final TokenizerResult tokenizer;
    private final Backend backend;
    private final Gpt2Forward forward;
    private final Meter meter = new Meter();
    private final Gpt2Fingerprint fingerprint;
    private final BlockPool blocks;
    private final PassPool passes;
    private final Lifetime lifetime = new Lifetime();
    /** Set before anything is freed, so that calls from then on are refused instead of waiting. */
    private volatile boolean closed;

    private Model(Arena arena, GenerationDefaults defaults, TokenizerResult tokenizer, Backend backend,
            Gpt2Weights weights, ModelOptions options, Gpt2Fingerprint fingerprint) {
        this.arena = arena;
        this.config = defaults.config();
        this.generationDefaults = defaults;
        this.tokenizer = tokenizer;
        this.backend = backend;
        this.forward = new Gpt2Forward(config, weights, backend, cacheType(options.cache(), weights, backend));
        this.fingerprint = fingerprint;
        this.blocks = forward.newBlockPool(sharing(options.prefixCache()), new CacheLimit(options.cacheLimit()),
                MemoryBudget.PROCESS);
        this.passes = new PassPool(forward, MemoryBudget.PROCESS);
        MemoryBudget.PROCESS.addWeights(weights.memoryBytes());
    }

    private static PrefixSharing sharing(PrefixCache asked) {
        return switch (asked) {
            case OFF -> PrefixSharing.NONE;
            case OPEN -> PrefixSharing.HELD;
            case FINISHED -> PrefixSharing.KEPT;
        };
    }

    /**
     * Opens a model with the default options.
     *
     * @param path the directory or file
     * @return the model, which the caller closes
     * @see #open(Path, ModelOptions)
     */
    public static Model open(Path path) {
        return open(path, ModelOptions.DEFAULT);
    }

    /**
     * Opens a GGUF file of architecture gpt2 (F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1 or Q8_0; whole, or by any of the
     * parts it was divided into), or a Hugging Face style directory: config.json, model.safetensors (or shards with
     * model.safetensors.index.json) and, if it has them, generation_config.json, tokenizer.json or vocab.json with
     * merges.txt. A directory's model.safetensors stands for the directory, and a directory with one GGUF file and no
     * safetensors for that file. The path may be of any file system. A tokenizer that is not supported does not keep the
     * model from opening: {@link #tokenizerFault} says why it takes no text.
     *
     * <p>The weights are copied into memory, so the files may change or vanish afterwards. Only matrices that
     * {@code isthmus convert} has packed are used where they lie, in a file mapped into memory: deleting that file or
     * moving another in its place does no harm, but what is written into it changes the model, and once it is cut short,
     * every pass throws a {@link dev.isthmus.engine.errors.CheckpointException}. For this the first such model takes
     * over the process's SIGBUS; faults elsewhere go on to the handler before, the Java virtual machine's.
     *
     * @param path the directory or file
     * @param options how to open it
     * @return the model, which the caller closes
     * @throws dev.isthmus.engine.errors.CheckpointException if a file is missing or not what it should be
     * @throws dev.isthmus.engine.errors.UnsupportedModelException if the configuration is not one that is computed
     * @throws BackendException if the backend asked for cannot be used, or the process gets too few threads; those that
     *     were started end
     * @throws dev.isthmus.engine.errors.CancelledException if the thread is interrupted; it stays so
     * @throws OutOfMemoryException if the weights do not fit into the memory of the machine or of the process's
     *     container; thrown before they are read, with the types of weights that would fit
     */
    public static Model open(Path path, ModelOptions options) {
        Arguments.nonNull(path, "open a model", "path");
        Arguments.nonNull(options, "open a model", "options");
        return Offload.call(() -> openHere(path, options));
    }

    private static Model openHere(Path path, ModelOptions options) {
        if (!FlightRecorder.isInitialized()) {
            return read(path, options, options.loadProgress());
        }
        ModelOpenEvent event = new ModelOpenEvent();
        event.begin();
        Model model = read(path, options, (done, total) -> {
            event.bytes = done;
            options.loadProgress().update(done, total);
        });
        event.commit(path, model);
        return model;
    }

    private static Model read(Path path, ModelOptions options, ProgressListener progress) {
        return Interrupts.during("opening the model " + path,
                () -> MemoryLimit.reading(path, () -> load(path, options, progress)));
    }

    private static Model load(Path given, ModelOptions options, ProgressListener progress) {
        Path path = ModelPath.resolve(given);
        Gpt2Config config = Gpt2Config.read(path);
        int threads = options.threads() == 0 ? Runtime.getRuntime().availableProcessors() : options.threads();
        if (options.backend() == BackendChoice.AUTO && Backends.mayHaveGpu()) {
            try {
                return load(path, options, config, threads, Backends.cuda(), progress);
            } catch (BackendException | UnsupportedModelException cannot) {
                System.getLogger(Model.class.getName()).log(System.Logger.Level.DEBUG, "Using the CPU", cannot);
            }
        }
        return load(path, options, config, threads, switch (options.backend()) {
            case AUTO, CPU -> Backends.cpuOrWarn(threads);
            case NATIVE -> Backends.nativeCpu(threads);
            case CUDA -> Backends.cuda();
            case REFERENCE -> Backends.reference();
        }, progress);
    }

    private static Model load(Path path, ModelOptions options, Gpt2Config config, int threads, Backend backend,
            ProgressListener progress) {
        Arena arena = null;
        try (Checkpoint checkpoint = Checkpoint.open(path);
                LoadingTask<TokenizerResult> tokenizer =
                        new LoadingTask<>("tokenizer", () -> TokenizerResult.of(path));
                LoadingTask<Gpt2Fingerprint> fingerprint =
                        new LoadingTask<>("fingerprint", () -> Gpt2Fingerprint.of(checkpoint, config))) {
            arena = Arena.ofShared();
            backend.requireHeads(config.headChannels());
            Gpt2Weights weights = Gpt2Loader.load(checkpoint, config, backend.weights(), options.weights(), arena,
                    threads, progress::update);
            return new Model(arena, GenerationDefaults.read(path, config), tokenizer.join(), backend, weights, options,
                    fingerprint.join().as(weights, backend.blocks().layout()));
        } catch (Throwable failed) {
            backend.close();
            if (arena != null) {
                arena.close();
            }
            throw failed;
        }
    }

    private static DType cacheType(CacheType asked, Gpt2Weights weights, Backend backend) {
        DType type = switch (asked) {
            case AUTO -> weights.usualCacheType();
            case F32 -> DType.F32;
            case F16 -> DType.F16;
            case INT8 -> DType.INT8;
        };
        List<DType> possible = backend.cacheTypes(weights.head().weight().type());
        return possible.contains(type) ? type : possible.getFirst();
    }

    /**
     * {@return a new, empty session, to which a full context is an error} Cheap: it takes memory as its text grows.
     * Close it before or after the model.
     *
     * @throws ClosedException if the model is closed
     * @throws OutOfMemoryException if there is not enough memory
     */
    public Session newSession() {
        return newSession(ContextPolicy.ERROR);
    }

    /**
     * {@return a new, empty session}
     *
     * @param policy what it does when its context is full
     * @throws InvalidInputException if the policy does not fit the model's context
     * @throws ClosedException if the model is closed
     * @throws OutOfMemoryException if there is not enough memory
     */
    public Session newSession(ContextPolicy policy) {
        return newSession(policy, "");
    }

    /**
     * A new, empty session that shares prefixes with sessions and requests of the same domain only, such as those of one
     * tenant: to others, not even the time that reading takes tells what its text begins with. So do its forks.
     *
     * @param policy what it does when its context is full
     * @param cacheDomain the domain's name; all that is given none is in domain ""
     * @return a session that must be closed, as any
     * @throws InvalidInputException if the policy does not fit the model's context
     * @throws ClosedException if the model is closed
     * @throws OutOfMemoryException if there is not enough memory
     */
    public Session newSession(ContextPolicy policy, String cacheDomain) {
        Arguments.nonNull(policy, "open a session", "policy");
        Arguments.nonNull(cacheDomain, "open a session", "cacheDomain");
        return whileOpen(() -> new Session(this, new Sequence(this, policy, cacheDomain)));
    }

    /**
     * A session as {@link Session#snapshot} left it in a file: tokens, keys, values and logits are the same bits, so
     * that on the same kernels it goes on as the other would have.
     *
     * @param snapshot the file
     * @param policy what it does when its context is full; the file does not say
     * @return a session that must be closed, as any
     * @throws SnapshotException if the file is no snapshot, is damaged, or was taken with another model, another type of
     *     weights or of cache
     * @throws ClosedException if the model is closed
     * @throws OutOfMemoryException if there is not enough memory
     */
    public Session restoreSession(Path snapshot, ContextPolicy policy) {
        return restoreSession(snapshot, policy, "");
    }

    /**
     * As {@link #restoreSession(Path, ContextPolicy)}, in a domain as {@link #newSession(ContextPolicy, String)} has it;
     * the file does not say in which the session was.
     *
     * @param snapshot the file
     * @param policy what it does when its context is full
     * @param cacheDomain the domain's name
     * @return a session that must be closed, as any
     */
    public Session restoreSession(Path snapshot, ContextPolicy policy, String cacheDomain) {
        Arguments.nonNull(snapshot, "restore a session", "snapshot");
        Arguments.nonNull(policy, "restore a session", "policy");
        Arguments.nonNull(cacheDomain, "restore a session", "cacheDomain");
        return whileOpen(() -> new Session(this, Snapshot.read(snapshot, this, policy, cacheDomain)));
    }

    /**
     * As {@link #restoreSession(Path, ContextPolicy)}, with a full context being an error.
     *
     * @param snapshot the file
     * @return a session that must be closed, as any
     */
    public Session restoreSession(Path snapshot) {
        return restoreSession(snapshot, ContextPolicy.ERROR);
    }

    /**
     * {@return what generates for many callers at once}
     *
     * @param options how many at once, and how many may wait
     * @throws ClosedException if the model is closed
     */
    public BatchingExecutor newBatchingExecutor(BatchingOptions options) {
        Arguments.nonNull(options, "open a batching executor", "options");
        return whileOpen(() -> new BatchingExecutor(this, options, () -> {}));
    }

    /** {@return the hyperparameters} */
    public Gpt2Config config() {
        return config;
    }

    /** {@return what the model's generation_config.json asks for where a caller says nothing} */
    public GenerationDefaults generationDefaults() {
        return generationDefaults;
    }

    /**
     * {@return the tokenizer; empty where the model has none, or one that is not supported} Everything that takes token
     * ids works without it.
     */
    public Optional<Tokenizer> tokenizer() {
        return tokenizer.tokenizer();
    }

    /** {@return why the model takes no text; empty where it has a tokenizer} */
    public Optional<String> tokenizerFault() {
        return tokenizer.fault();
    }

    /**
     * The tokenizer.
     *
     * @throws InvalidInputException if the model has none
     * @throws UnsupportedModelException if it has one that is not supported
     */
    Tokenizer requireTokenizer(String purpose) {
        return tokenizer.require(purpose);
    }

    /** The tokens of a text, for the call that {@code purpose} names. */
    int[] encode(String purpose, String text) {
        Arguments.nonNull(text, purpose, "text");
        Tokenizer known = requireTokenizer(purpose);
        return withinMemory(() -> known.encode(text));
    }

    /** {@return which kernels the model runs on} */
    public KernelKind kernelKind() {
        return backend.kind();
    }

    /** {@return which kernels the model runs on, in words} */
    public String backend() {
        return backend.description();
    }

    /** {@return what the model's sessions have done so far and hold now} */
    public Metrics metrics() {
        return meter.metrics(new Meter.Memory(cacheBytes(), blocks.finishedBytes(), passes.bytes()),
                blocks.takenOver());
    }

    /**
     * Scores a text of any length in windows that move by half of the context.
     *
     * @param text the text, of at least two tokens
     * @return the score
     * @see #score(int[], int)
     */
    public Score score(String text) {
        return score(encode("score a text", text), Math.max(1, config.context() / 2));
    }

    /**
     * Scores a text of any length. A text longer than the context is read in windows of the context's length, each
     * {@code stride} tokens after the one before; a token is scored in the first window that reaches it, as in Hugging
     * Face's guide "Perplexity of fixed-length models".
     *
     * @param ids the text's tokens, at least two
     * @param stride 1..context; smaller gives each token more context and takes longer. At the full context the first
     *     token of each window has nothing before it and is left out
     * @return the score
     * @throws InvalidInputException if an argument is out of range
     */
    public Score score(int[] ids, int stride) {
        return score(ids, stride, ProgressListener.NONE);
    }

    /**
     * As {@link #score(int[], int)}, telling how far it has come.
     *
     * @param ids the text's tokens, at least two
     * @param stride 1..context
     * @param progress told the tokens scored of all tokens, after each
     * @return the score
     */
    public Score score(int[] ids, int stride, ProgressListener progress) {
        Arguments.nonNull(ids, "score", "ids");
        Arguments.nonNull(progress, "score", "progress");
        return withinMemory(() -> Scorer.score(this, ids, stride, progress));
    }

    /** {@return the token embedding matrix} */
    public TokenEmbeddings embeddings() {
        return new TokenEmbeddings(this);
    }

    /**
     * {@return a vector for a text}
     *
     * @param text the text
     * @param pooling how the positions' vectors become one
     * @see #embed(int[], Pooling)
     */
    public float[] embed(String text, Pooling pooling) {
        Arguments.nonNull(pooling, "embed a text", "pooling");
        return embed(encode("embed a text", text), pooling);
    }

    /**
     * A vector for a text: of the final layer norm's outputs, transformers' {@code last_hidden_state}, at all its
     * positions.
     *
     * @param ids the text's tokens
     * @param pooling how the positions' vectors become one
     * @return C values
     * @throws InvalidInputException if there are no tokens, or one is not in the vocabulary
     * @throws dev.isthmus.engine.errors.ContextFullException if they do not fit into the context
     */
    public float[] embed(int[] ids, Pooling pooling) {
        Arguments.nonNull(ids, "embed a text", "ids");
        Arguments.nonNull(pooling, "embed a text", "pooling");
        return withinMemory(() -> TextVector.of(this, ids, pooling));
    }

    /** Ends the model's threads and frees its weights once the calls under way are done; idempotent. */
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

    /** Runs {@code work} while the model cannot be closed. */
    <R> R whileOpen(Supplier<R> work) {
        return withinMemory(() -> {
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

    /** Runs {@code work}, which may run out of memory. */
    static <R> R withinMemory(Supplier<R> work) {
        try {
            return work.get();
        } catch (OutOfMemoryError | IllegalArgumentException | LinkageError failed) {
            if (isOutOfMemory(failed)) {
                throw outOfMemory(failed);
            }
            throw failed;
        }
    }

    /**
     * Whether memory has run out, also as try-with-resources and the JVM tell of it: where closing a resource fails
     * with the very error that is thrown already, and where a class cannot be initialized or linked.
     */
    static boolean isOutOfMemory(Throwable failed) {
        if (failed instanceof OutOfMemoryError) {
            return true;
        }
        boolean tells = failed instanceof LinkageError
                || failed instanceof IllegalArgumentException && SELF_SUPPRESSION.equals(failed.getMessage());
        return tells && failed.getCause() instanceof OutOfMemoryError;
    }

    /** Refuses calls of a model that is closed, but not those within a call that is under way. */
    void requireOpen() {
        if (closed && !lifetime.isInside()) {
            throw closed();
        }
    }

    private static ClosedException closed() {
        return new ClosedException("the model is closed; open it again with Model.open");
    }

    /** The typed error for one of the JVM's. */
    static OutOfMemoryException outOfMemory(Throwable error) {
        try {
            return new OutOfMemoryException(OUT_OF_MEMORY, error);
        } catch (OutOfMemoryError again) {
            return PREPARED;
        }
    }

    Gpt2Forward forward() {
        return forward;
    }

    /** Counts what all sessions do. */
    Meter meter() {
        return meter;
    }

    /** The bytes of keys and values that sessions and requests hold; what several have in common counts once. */
    long cacheBytes() {
        return blocks.bytes();
    }

    /** An empty cache of no domain of its own. */
    KvCache newCache() {
        return newCache("");
    }

    /** An empty cache of a domain. */
    KvCache newCache(String domain) {
        return forward.newCache(blocks).inDomain(domain);
    }

    /** The bytes that keys and values could still take; those of finished texts count as free. */
    long availableCacheBytes() {
        return blocks.availableBytes();
    }

    /** What the model's forward passes compute in. */
    PassPool passes() {
        return passes;
    }

    /** Tells this model, with the types that its weights are kept in, from others. */
    byte[] fingerprint() {
        return fingerprint.bytes();
    }

    /** The memory that its tensors lie in, and what computes with them. */
    Backend computeBackend() {
        return backend;
    }
}
