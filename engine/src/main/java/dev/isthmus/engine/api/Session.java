package dev.isthmus.engine.api;

import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.errors.ClosedException;
import dev.isthmus.engine.errors.ConcurrentUseException;
import dev.isthmus.engine.errors.ContextFullException;
import dev.isthmus.engine.errors.InvalidInputException;
import dev.isthmus.engine.kernels.Draw;
import dev.isthmus.engine.kernels.RowBatch;
import dev.isthmus.engine.model.Gpt2Forward;
import dev.isthmus.engine.model.LayerProbe;
import dev.isthmus.engine.model.Scratch;
import dev.isthmus.engine.sampling.Sampler;
import dev.isthmus.engine.sampling.TokenHistory;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;

/**
 * One text that a model reads and continues. It holds the text's keys and values off-heap until it is closed.
 *
 * <p>One caller at a time, from any thread: a call that finds another one under way throws
 * {@link ConcurrentUseException}. A call that throws leaves the session as it was.
 */
public final class Session implements AutoCloseable {

    /** Rows of a chunk whose logits are all wanted: V floats each. */
    private static final int LOGITS_CHUNK_ROWS = 64;

    private final Model model;
    private final Arena arena = Arena.ofShared();
    private final KvCache cache;
    private final RowBatch batch;
    private final Scratch scratch;
    private final Meter meter;
    private final ReentrantLock callers = new ReentrantLock();
    private final float[] logits;
    private int[] tokens = new int[64];
    private int length;
    /** The logits of the last position where the kernels left them, while logitsValid. */
    private Tensor lastLogits;
    private int lastRow;
    private boolean logitsValid;
    private boolean logitsRead;
    private int changes;
    private boolean closed;

    Session(Model model) {
        this.model = model;
        cache = model.forward().newCache(arena);
        batch = new RowBatch(arena);
        scratch = model.forward().newScratch();
        logits = new float[model.config().vocabulary()];
        meter = model.meter().newSession();
    }

    /** {@return the tokens in the session} */
    public int length() {
        return exclusively(() -> length);
    }

    /**
     * {@return what the session has done so far and holds now; also while another call is under way, and when it is
     * closed}
     */
    public Metrics metrics() {
        return meter.metrics();
    }

    /** {@return the tokens in the session, first to last} */
    public int[] tokens() {
        return exclusively(() -> Arrays.copyOf(tokens, length));
    }

    /**
     * Reads a text behind what the session holds. Special tokens in it are plain text.
     *
     * @param text the text
     * @throws InvalidInputException if the text is empty or the model has no tokenizer
     * @throws ContextFullException if it does not fit into the context
     */
    public void append(String text) {
        append(model.requireTokenizer("append a text").encode(text));
    }

    /**
     * Reads tokens behind what the session holds.
     *
     * @param ids the tokens
     * @throws InvalidInputException if there are none, or one is not in the vocabulary
     * @throws ContextFullException if they do not fit into the context
     */
    public void append(int... ids) {
        exclusively(() -> {
            read(ids, ids.length - 1, null, LayerProbe.NONE);
            return null;
        });
    }

    /**
     * Reads tokens and shows what passes between the layers, for instance to a {@link Capture}.
     *
     * @param ids the tokens
     * @param observer sees each of the tokens
     * @throws InvalidInputException if there are none, or one is not in the vocabulary
     * @throws ContextFullException if they do not fit into the context
     */
    public void append(int[] ids, ForwardObserver observer) {
        exclusively(() -> {
            if (length > 0) {
                // The last token of a generation has yet to be read, and is not one of those to be seen.
                currentLogits(LayerProbe.NONE);
            }
            read(ids, ids.length - 1, null, new ObserverProbe(observer, model.config(), model.kernels()));
            return null;
        });
    }

    /**
     * Reads tokens and hands over the logits of each of their positions.
     *
     * @param ids the tokens
     * @param visitor takes the logits of each of the tokens
     * @throws InvalidInputException if there are none, or one is not in the vocabulary
     * @throws ContextFullException if they do not fit into the context
     */
    public void append(int[] ids, LogitsVisitor visitor) {
        appendFrom(ids, 0, visitor, LayerProbe.NONE);
    }

    /** As {@link #append(int[], LogitsVisitor)}, for the logits from {@code ids[first]} on. */
    void appendFrom(int[] ids, int first, LogitsVisitor visitor, LayerProbe probe) {
        exclusively(() -> {
            read(ids, first, visitor, probe);
            return null;
        });
    }

    /**
     * {@return the logits of the last position, which predict the next token: V values}
     *
     * @throws InvalidInputException if the session is empty
     */
    public float[] logits() {
        return exclusively(() -> currentLogits(LayerProbe.NONE).clone());
    }

    /**
     * {@return what the model expects as the next token, with log-probabilities in double}
     *
     * @throws InvalidInputException if the session is empty
     */
    public Distribution next() {
        return exclusively(() -> Distribution.of(currentLogits(LayerProbe.NONE)));
    }

    /**
     * {@return the probabilities of the next token by the model's own kernels: V values that add up to 1}
     *
     * @throws InvalidInputException if the session is empty
     */
    public float[] probabilities() {
        return exclusively(() -> {
            float[] values = currentLogits(LayerProbe.NONE);
            try (Arena temporary = Arena.ofShared()) {
                Tensor x = model.kernels().allocate(temporary, 1, values.length);
                model.kernels().write(MemorySegment.ofArray(values), x);
                model.kernels().softmax(x);
                float[] probabilities = new float[values.length];
                model.kernels().read(x, 0, probabilities);
                return probabilities;
            }
        });
    }

    /**
     * {@return the probabilities by which {@link #generate} would choose the next token: V values that add up to 1}
     *
     * @param options what changes the probabilities
     * @throws InvalidInputException if the session is empty, or the options leave no token to choose
     */
    public double[] probabilities(GenerationOptions options) {
        return exclusively(() -> {
            options.check(model.config().vocabulary());
            return options.newSampler().probabilities(currentLogits(LayerProbe.NONE), history(length));
        });
    }

    /**
     * Forgets all but the first {@code newLength} tokens.
     *
     * @param newLength how many to keep, 0..length
     * @throws InvalidInputException if there are fewer
     */
    public void rewind(int newLength) {
        exclusively(() -> {
            if (newLength < 0 || newLength > length) {
                throw new InvalidInputException("rewind: the session holds " + length
                        + " tokens, so it can go back to 0.." + length + ", not to " + newLength);
            }
            truncate(newLength);
            changes++;
            return null;
        });
    }

    /**
     * Continues the text. Nothing is computed until tokens are taken; the tokens taken become part of the session.
     *
     * @param options how to choose tokens and when to end
     * @return the tokens to come
     * @throws InvalidInputException if the session is empty, stop strings are given to a model without tokenizer, or an
     *     option names a token that is not in the vocabulary
     */
    public Generation generate(GenerationOptions options) {
        return generate(options, () -> false);
    }

    /** As {@link #generate(GenerationOptions)}; also cancelled when {@code cancelled} says so. */
    Generation generate(GenerationOptions options, BooleanSupplier cancelled) {
        return exclusively(() -> {
            requirePrompt("generate");
            return new Generation(this, options, model, cancelled);
        });
    }

    /**
     * Searches for continuations of the text by beams. As in Hugging Face's {@code generate} without sampling,
     * temperature, truncation, seed and log-probabilities in the options have no effect. A score is the sum of the
     * tokens' log-probabilities, which the options' rules may have changed, divided by the length penalty.
     *
     * @param options what a continuation may be; without stop strings
     * @param beams how to search
     * @return the search, which has not begun
     * @throws InvalidInputException from {@link CompletionSearch#run}, if the session is empty, stop strings are given
     *     or a token is not in the vocabulary
     * @throws ContextFullException from there, if the most tokens do not fit into the context
     */
    public CompletionSearch beamSearch(GenerationOptions options, BeamOptions beams) {
        return new CompletionSearch(cancelled -> exclusively(() -> {
            requirePrompt("beam search");
            options.check(model.config().vocabulary());
            if (!options.stop().isEmpty()) {
                throw new InvalidInputException("beam search: stop strings are not supported; found "
                        + options.stop() + "; cut the completions' texts instead");
            }
            // The last token is chosen and never read.
            if (options.maxTokens() - 1 > cache.context() - length) {
                throw new ContextFullException(cache.context(), length, options.maxTokens() - 1);
            }
            float[] last = currentLogits(Completions.probe(cancelled));
            return Completions.byBeams(model, Arrays.copyOf(tokens, length), last, options, beams, cancelled);
        }));
    }

    /**
     * Samples several continuations of the text, with one seed after another from that of the options on. A score is
     * the mean of the tokens' log-probabilities by the model alone, as OpenAI's {@code best_of} ranks.
     *
     * @param candidates how many to sample and return, ≥ 1
     * @param options how to choose tokens and when to end
     * @return the search, which has not begun
     * @throws InvalidInputException if there are to be none; from {@link CompletionSearch#run}, as {@link #generate}
     */
    public CompletionSearch bestOf(int candidates, GenerationOptions options) {
        if (candidates < 1) {
            throw new InvalidInputException("best of: there must be >= 1 candidates, found " + candidates);
        }
        return new CompletionSearch(cancelled -> exclusively(() -> {
            requirePrompt("best of");
            return Completions.bySampling(model, Arrays.copyOf(tokens, length), options, candidates, cancelled);
        }));
    }

    private void requirePrompt(String purpose) {
        if (length == 0) {
            throw new InvalidInputException(purpose + ": the prompt is empty; append at least one token first");
        }
    }

    /** Frees the session's memory once a call under way is done; idempotent. */
    @Override
    public void close() {
        if (callers.isHeldByCurrentThread()) {
            throw new ConcurrentUseException("close the session: called from inside one of its own calls");
        }
        callers.lock();
        try {
            if (!closed) {
                closed = true;
                meter.close();
                scratch.close();
                arena.close();
            }
        } finally {
            callers.unlock();
        }
    }

    /** Runs {@code work} as the session's only caller, with the model held open. */
    <R> R exclusively(Supplier<R> work) {
        if (callers.isHeldByCurrentThread() || !callers.tryLock()) {
            throw new ConcurrentUseException("a session serves one caller at a time, and another call is under way; "
                    + "use one session per thread");
        }
        try {
            if (closed) {
                throw new ClosedException("the session is closed; make a new one with Model.newSession");
            }
            return model.whileOpen(work);
        } finally {
            callers.unlock();
        }
    }

    /** Counts what callers changed, so that a generation notices that its text is no longer there. */
    int changes() {
        return changes;
    }

    /** The tokens, of which all behind {@code promptLength} were generated; valid until the next change. */
    TokenHistory history(int promptLength) {
        return new TokenHistory(tokens, length, promptLength);
    }

    /** Adds a generated token, which is computed when the logits behind it are asked for. */
    void push(int id) {
        store(length, id);
        length++;
        logitsValid = false;
    }

    /**
     * The token that the sampler takes next. Kernels on a device choose it themselves where they can, so that its
     * logits need not be read back.
     */
    int choose(Sampler sampler, int promptLength, LayerProbe probe) {
        computeLast(probe);
        if (!logitsRead && model.kernels().choosesTokens()) {
            Optional<Draw> draw = sampler.draw();
            int id = draw.isPresent() ? model.kernels().choose(lastLogits, lastRow, draw.get())[0] : -1;
            if (id >= 0) {
                sampler.drawn();
                return id;
            }
        }
        return sampler.sample(currentLogits(probe), history(promptLength));
    }

    /** The logits of the last position, computing what is not yet in the cache; the session's own array. */
    float[] currentLogits(LayerProbe probe) {
        computeLast(probe);
        if (!logitsRead) {
            model.kernels().read(lastLogits, (long) lastRow * logits.length, logits);
            logitsRead = true;
        }
        return logits;
    }

    private void computeLast(LayerProbe probe) {
        if (length == 0) {
            throw new InvalidInputException("logits: the session is empty; append at least one token first");
        }
        if (!logitsValid) {
            int computed = Math.min(cache.length(), length - 1);
            cache.rewind(computed);
            compute(tokens, computed, length, length - 1, null, probe);
        }
    }

    private void read(int[] ids, int firstLogits, LogitsVisitor visitor, LayerProbe probe) {
        if (ids.length == 0) {
            throw new InvalidInputException("append: the prompt is empty; at least one token is needed");
        }
        int before = length;
        if (ids.length > cache.context() - before) {
            throw new ContextFullException(cache.context(), before, ids.length);
        }
        for (int i = 0; i < ids.length; i++) {
            model.forward().checkToken(ids[i], before + i);
            store(before + i, ids[i]);
        }
        try {
            compute(tokens, cache.length(), before + ids.length, before + firstLogits, visitor, probe);
            length = before + ids.length;
            changes++;
        } catch (Throwable failed) {
            truncate(before);
            throw failed;
        }
    }

    /** Computes ids[from, to), with the logits from position {@code firstLogits} on for the visitor. */
    private void compute(int[] ids, int from, int to, int firstLogits, LogitsVisitor visitor, LayerProbe probe) {
        logitsValid = false;
        for (int start = from; start < to; ) {
            int rows = visitor != null && start + Gpt2Forward.CHUNK_ROWS > firstLogits ? LOGITS_CHUNK_ROWS
                    : Gpt2Forward.CHUNK_ROWS;
            int end = Math.min(start + rows, to);
            batch.clear();
            batch.add(cache, ids, start, end);
            int first = visitor == null ? to - 1 : Math.max(firstLogits, start);
            int[] outputs = new int[Math.max(0, end - first)];
            for (int i = 0; i < outputs.length; i++) {
                outputs[i] = first - start + i;
            }
            Tensor rowsOfLogits = meter.pass(batch, () -> model.forward().forward(batch, outputs, scratch, probe));
            meter.cacheBytes(cache.bytes());
            for (int i = 0; visitor != null && i < outputs.length; i++) {
                model.kernels().read(rowsOfLogits, (long) i * logits.length, logits);
                visitor.row(first + i, logits);
            }
            lastLogits = rowsOfLogits;
            lastRow = outputs.length - 1;
            start = end;
        }
        logitsValid = true;
        logitsRead = visitor != null;
    }

    private void truncate(int newLength) {
        if (newLength != length || cache.length() > newLength) {
            logitsValid = false;
        }
        length = newLength;
        cache.rewind(Math.min(newLength, cache.length()));
    }

    private void store(int index, int id) {
        if (index == tokens.length) {
            tokens = Arrays.copyOf(tokens, 2 * tokens.length);
        }
        tokens[index] = id;
    }
}
