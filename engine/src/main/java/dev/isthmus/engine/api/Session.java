package dev.isthmus.engine.api;

import dev.isthmus.engine.checks.Arguments;
import dev.isthmus.engine.errors.CancelledException;
import dev.isthmus.engine.errors.ClosedException;
import dev.isthmus.engine.errors.ConcurrentUseException;
import dev.isthmus.engine.errors.ContextFullException;
import dev.isthmus.engine.errors.InvalidInputException;
import dev.isthmus.engine.errors.OutOfMemoryException;
import dev.isthmus.engine.errors.SnapshotException;
import dev.isthmus.engine.model.LayerProbe;
import dev.isthmus.engine.sampling.TokenHistory;
import dev.isthmus.engine.session.HeapLimit;
import dev.isthmus.engine.session.LoadedModel;
import dev.isthmus.engine.session.ObserverProbe;
import dev.isthmus.engine.session.RowVisitor;
import dev.isthmus.engine.session.Sequence;
import dev.isthmus.engine.session.Snapshot;
import dev.isthmus.engine.session.TokenBuffer;
import java.nio.file.Path;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;

/**
 * One text that a model reads and continues. It holds the text's keys and values off-heap until it is closed.
 *
 * <p>Prefixes are shared without being asked for: where a text begins with the same tokens as another that the model has
 * read, the keys and values of that beginning are not computed and not stored again, in steps of 64 tokens. Those of
 * sessions that are closed are kept until their memory is needed, the least recently used going first; a session that is
 * open keeps its own. Results are the same bits with and without it; where a backend cannot promise that (plain Java with
 * OpenBLAS), nothing is shared. It costs a look-up for each 64 tokens. How long reading takes may tell whether another
 * has read a prefix: {@link Model#newSession(ContextPolicy, String)} keeps tenants apart, and
 * {@link ModelOptions#withPrefixCache} turns sharing off. Appending with a visitor or an observer computes what these want
 * to see.
 *
 * <p>A few calls of a model compute at a time, and others wait in turn, so that the memory they compute in is bounded.
 * Where a virtual thread calls, platform threads compute and the virtual thread gives its carrier to others; visitors and
 * observers run on the thread that called.
 *
 * <p>One caller at a time, from any thread: a call that finds another one under way throws
 * {@link ConcurrentUseException}. Only {@link #length}, {@link #tokens}, {@link #metrics} and {@link #close} may be called
 * at any time; the first two tell of the text as the last call left it. A call that throws leaves the session as it was;
 * any may throw {@link ClosedException} after the session or its model is closed, {@link OutOfMemoryException}, and, if it
 * computes or uses files and its thread is interrupted, {@link CancelledException}; the thread stays interrupted.
 *
 * <p>What visitors, observers and listeners are handed is a copy: writing to it changes nothing.
 */
public final class Session implements AutoCloseable {

    private final LoadedModel model;
    private final Sequence sequence;
    private final ReentrantLock callers = new ReentrantLock();
    /** Counts what callers changed, so that a generation notices that its text is no longer there. */
    private int changes;
    /** The text as the last call left it. */
    private volatile TokenBuffer.View text;
    /** Set before the memory is freed, so that whoever is under way elsewhere learns why it ends. */
    private volatile boolean closed;
    private boolean freed;

    Session(LoadedModel model, Sequence sequence) {
        this.model = model;
        this.sequence = sequence;
        text = sequence.text();
    }

    /** {@return the number of tokens in the session; also while another call is under way} */
    public int length() {
        return openText().length();
    }

    /**
     * {@return what the session has done so far and holds now; also while another call is under way, and when it is
     * closed}
     */
    public Metrics metrics() {
        return Metrics.of(sequence.recorder().totals(), new Metrics.Memory(sequence.cacheBytes(), 0, 0),
                sequence.prefixTokens());
    }

    /** {@return the tokens in the session, first to last; also while another call is under way} */
    public int[] tokens() {
        return openText().ids();
    }

    private TokenBuffer.View openText() {
        requireOpen();
        model.requireOpen();
        return text;
    }

    /** The text as the last call left it. */
    TokenBuffer.View text() {
        return text;
    }

    /**
     * Reads a text behind what the session holds. Special tokens in it are plain text.
     *
     * @param text the text
     * @throws InvalidInputException if the text is empty or the model has no tokenizer
     * @throws ContextFullException if it does not fit into the context
     */
    public void append(String text) {
        append(model.encode("append a text", text));
    }

    /**
     * Reads tokens behind what the session holds.
     *
     * @param ids the tokens
     * @throws InvalidInputException if there are none, or one is not in the vocabulary
     * @throws ContextFullException if they do not fit into the context
     */
    public void append(int... ids) {
        Arguments.nonNull(ids, "append", "ids");
        read(ids, ids.length - 1, null, LayerProbe.NONE);
    }

    /**
     * Reads tokens and shows what passes between the layers, for instance to a {@link Capture}. Where a full context
     * slides, the tokens that are read again are seen again.
     *
     * @param ids the tokens
     * @param observer sees each of the tokens
     * @throws InvalidInputException if there are none, or one is not in the vocabulary
     * @throws ContextFullException if they do not fit into the context
     */
    public void append(int[] ids, ForwardObserver observer) {
        Arguments.nonNull(ids, "append", "ids");
        Arguments.nonNull(observer, "append", "observer");
        exclusively(() -> {
            if (sequence.length() > 0) {
                // The last token of a generation has yet to be read, and is not one of those to be seen.
                sequence.currentLogits(LayerProbe.NONE);
            }
            sequence.read(ids, ids.length - 1, null, new ObserverProbe(new CalledObserver(observer),
                    model.config(), model.backend().tensors()));
            changes++;
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
        Arguments.nonNull(ids, "append", "ids");
        Arguments.nonNull(visitor, "append", "visitor");
        read(ids, 0, visitor::row, LayerProbe.NONE);
    }

    /** As {@link #append(int[], LogitsVisitor)}, for the logits from {@code ids[first]} on. */
    void appendFrom(int[] ids, int first, RowVisitor visitor, LayerProbe probe) {
        read(ids, first, visitor, probe);
    }

    private void read(int[] ids, int firstLogits, RowVisitor visitor, LayerProbe probe) {
        exclusively(() -> {
            sequence.read(ids, firstLogits, visitor, probe);
            changes++;
            return null;
        });
    }

    /**
     * {@return the logits of the last position, which predict the next token: V values}
     *
     * @throws InvalidInputException if the session is empty
     */
    public float[] logits() {
        return exclusively(() -> sequence.currentLogits(LayerProbe.NONE).clone());
    }

    /**
     * {@return what the model expects as the next token, with log-probabilities in double}
     *
     * @throws InvalidInputException if the session is empty
     */
    public Distribution next() {
        return exclusively(() -> Distribution.of(sequence.currentLogits(LayerProbe.NONE)));
    }

    /**
     * {@return the probabilities by which {@link #generate} would choose the next token: V values that add up to 1}
     *
     * @param options what changes the probabilities
     * @throws InvalidInputException if the session is empty, or the options leave no token to choose
     */
    public double[] probabilities(GenerationOptions options) {
        Arguments.nonNull(options, "probabilities", "options");
        return exclusively(() -> {
            options.check(model.config().vocabulary());
            float[] logits = sequence.currentLogits(LayerProbe.NONE);
            int[] tokens = sequence.tokens();
            return options.newSampler().probabilities(logits, new TokenHistory(tokens, tokens.length, tokens.length));
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
            int length = sequence.length();
            if (newLength < 0 || newLength > length) {
                throw new InvalidInputException("rewind: the session holds " + length
                        + " tokens, so it can go back to 0.." + length + ", not to " + newLength);
            }
            sequence.truncate(newLength);
            changes++;
            return null;
        });
    }

    /**
     * Another session with the same text and the same policy, which goes on from here on its own. Keys and values are
     * held in common; what one of them changes it takes a copy of first, 64 tokens at a time. Both must be closed, in
     * any order.
     *
     * @return the other session
     */
    public Session fork() {
        return exclusively(() -> new Session(model, sequence.fork()));
    }

    /**
     * Writes the session to a file, for {@link Model#restoreSession}; the session stays as it is. The file appears under
     * its name when it is complete, replacing another of that name. It holds the tokens, the keys and values (for GPT-2
     * 124M 74 KB a token in float32) and the logits behind the last token: whoever can read the file can read the text.
     *
     * @param file where to write
     * @throws SnapshotException if the file cannot be written
     */
    public void snapshot(Path file) {
        Arguments.nonNull(file, "snapshot", "file");
        exclusively(() -> {
            Snapshot.write(file, model, sequence);
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
        Arguments.nonNull(options, "generate", "options");
        return generate(options, () -> false);
    }

    /** As {@link #generate(GenerationOptions)}; also cancelled when {@code cancelled} says so. */
    Generation generate(GenerationOptions options, BooleanSupplier cancelled) {
        return exclusively(() -> {
            requirePrompt("generate");
            Continuation continuation = new Continuation(model, sequence.tokens(), options, sequence.window());
            return new Generation(this, continuation, changes, cancelled);
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
        Arguments.nonNull(options, "beam search", "options");
        Arguments.nonNull(beams, "beam search", "beams");
        return new CompletionSearch(cancelled -> exclusively(() -> {
            requirePrompt("beam search");
            options.check(model.config().vocabulary());
            if (!options.stop().isEmpty()) {
                throw new InvalidInputException("beam search: stop strings are not supported; found "
                        + options.stop() + "; cut the completions' texts instead");
            }
            // The last token is chosen and never read.
            int context = model.config().context();
            if (options.maxTokens() - 1 > context - sequence.length()) {
                throw new ContextFullException(context, sequence.length(), options.maxTokens() - 1);
            }
            float[] last = sequence.currentLogits(Completions.probe(cancelled));
            return Completions.byBeams(model, sequence, last, options, beams, cancelled);
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
        Arguments.nonNull(options, "best of", "options");
        if (candidates < 1) {
            throw new InvalidInputException("best of: there must be >= 1 candidates, found " + candidates);
        }
        return new CompletionSearch(cancelled -> exclusively(() -> {
            requirePrompt("best of");
            float[] last = sequence.currentLogits(Completions.probe(cancelled));
            return Completions.bySampling(model, sequence, last, options, candidates, cancelled);
        }));
    }

    private void requirePrompt(String purpose) {
        if (sequence.length() == 0) {
            throw new InvalidInputException(purpose + ": the prompt is empty; append at least one token first");
        }
    }

    /**
     * Ends the session. Its memory is freed once a call under way is done; a generation that goes on elsewhere ends with a
     * {@link ClosedException} instead of its next token. Idempotent.
     */
    @Override
    public void close() {
        if (callers.isHeldByCurrentThread()) {
            throw new ConcurrentUseException("close the session: called from inside one of its own calls");
        }
        closed = true;
        callers.lock();
        try {
            if (!freed) {
                freed = true;
                sequence.close();
            }
        } finally {
            callers.unlock();
        }
    }

    /** Runs {@code work} as the session's only caller, with the model held open. */
    <R> R exclusively(Supplier<R> work) {
        requireOpen();
        // Made before anything changes: a call that has succeeded must not fail for want of memory.
        TokenBuffer.View left = HeapLimit.within(TokenBuffer.View::new);
        if (callers.isHeldByCurrentThread() || !callers.tryLock()) {
            // Perhaps it is the closing that is under way.
            requireOpen();
            throw new ConcurrentUseException("a session serves one caller at a time, and another call is under way; "
                    + "use one session per thread");
        }
        try {
            requireOpen();
            return model.whileOpen(work);
        } finally {
            sequence.describe(left);
            // Others see the text that the call has left.
            text = left;
            callers.unlock();
        }
    }

    private void requireOpen() {
        if (closed) {
            throw new ClosedException("the session is closed; make a new one with Model.newSession");
        }
    }

    /**
     * The next token of a generation, which becomes part of the text.
     *
     * @param expectedChanges what {@link #changes} was when the generation began
     */
    Token next(Continuation continuation, int expectedChanges, LayerProbe probe) {
        return exclusively(() -> {
            if (changes != expectedChanges) {
                throw new ConcurrentUseException("generate: the session was changed by another call since the "
                        + "generation began; start another with Session.generate");
            }
            return continuation.next(sequence, probe);
        });
    }
}
