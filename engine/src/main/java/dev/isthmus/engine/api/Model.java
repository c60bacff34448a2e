package dev.isthmus.engine.api;

import dev.isthmus.engine.checks.Arguments;
import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.config.KernelKind;
import dev.isthmus.engine.errors.BackendException;
import dev.isthmus.engine.errors.ClosedException;
import dev.isthmus.engine.errors.InvalidInputException;
import dev.isthmus.engine.errors.OutOfMemoryException;
import dev.isthmus.engine.errors.SnapshotException;
import dev.isthmus.engine.errors.UnsupportedModelException;
import dev.isthmus.engine.session.HeapLimit;
import dev.isthmus.engine.session.LoadedModel;
import dev.isthmus.engine.session.Sequence;
import dev.isthmus.engine.session.Snapshot;
import dev.isthmus.engine.tokenizer.Tokenizer;
import java.nio.file.Path;
import java.util.Optional;

/**
 * A GPT-2 model: weights, configuration and tokenizer. Immutable; any number of threads may use it, each with its own
 * {@link Session}. It holds its weights off-heap until it is closed.
 */
public final class Model implements AutoCloseable {

    private final LoadedModel loaded;
    private final GenerationDefaults generationDefaults;

    private Model(LoadedModel loaded, GenerationDefaults generationDefaults) {
        this.loaded = loaded;
        this.generationDefaults = generationDefaults;
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
        LoadedModel loaded = LoadedModel.open(path, options.forLoading());
        try {
            return new Model(loaded, loaded.read(() -> GenerationDefaults.read(loaded.path(), loaded.config())));
        } catch (Throwable failed) {
            loaded.close();
            throw failed;
        }
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
        return loaded.whileOpen(() -> new Session(loaded, new Sequence(loaded, policy.window(), cacheDomain)));
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
        return loaded.whileOpen(() -> new Session(loaded,
                Snapshot.read(snapshot, loaded, policy.window(), cacheDomain)));
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
        return loaded.whileOpen(() -> new BatchingExecutor(loaded, options, () -> {}));
    }

    /** {@return the hyperparameters} */
    public Gpt2Config config() {
        return loaded.config();
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
        return loaded.tokenizer().tokenizer();
    }

    /** {@return why the model takes no text; empty where it has a tokenizer} */
    public Optional<String> tokenizerFault() {
        return loaded.tokenizer().fault();
    }

    /** {@return which kernels the model runs on} */
    public KernelKind kernelKind() {
        return loaded.backend().kind();
    }

    /** {@return which kernels the model runs on, in words} */
    public String backend() {
        return loaded.backend().description();
    }

    /** {@return what the model's sessions have done so far and hold now} */
    public Metrics metrics() {
        return Metrics.of(loaded.recorder().totals(), new Metrics.Memory(loaded.cacheBytes(),
                loaded.finishedCacheBytes(), loaded.passes().bytes()), loaded.prefixTokens());
    }

    /**
     * Scores a text of any length in windows that move by half of the context.
     *
     * @param text the text, of at least two tokens
     * @return the score
     * @see #score(int[], int)
     */
    public Score score(String text) {
        return score(loaded.encode("score a text", text), Math.max(1, config().context() / 2));
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
        return HeapLimit.within(() -> Scorer.score(this, ids, stride, progress));
    }

    /** {@return the token embedding matrix} */
    public TokenEmbeddings embeddings() {
        return new TokenEmbeddings(loaded);
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
        return embed(loaded.encode("embed a text", text), pooling);
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
        return HeapLimit.within(() -> TextEmbedder.embed(this, ids, pooling));
    }

    /** Ends the model's threads and frees its weights once the calls under way are done; idempotent. */
    @Override
    public void close() {
        loaded.close();
    }

    /** The model below this facade. */
    LoadedModel loaded() {
        return loaded;
    }
}
