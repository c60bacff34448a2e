package dev.isthmus.engine.api;

import dev.isthmus.engine.errors.CancelledException;
import dev.isthmus.engine.errors.ConcurrentUseException;
import dev.isthmus.engine.errors.DeadlineExceededException;
import dev.isthmus.engine.session.HeapLimit;
import java.lang.ref.Cleaner;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.Spliterator;
import java.util.Spliterators;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/**
 * A request that a {@link BatchingExecutor} has taken: its tokens as they come, and its result. Tokens are generated
 * until the text ends, whether or not they are taken; but once they are gone through and nobody has asked for the
 * {@link #result}, only a few ahead of the loop. So leaving the loop ends the work, as with a {@link Generation}, and
 * the request is cancelled when its iterator is garbage.
 *
 * <p>Any number of threads may use it; the tokens can be gone through once.
 */
public final class GenerationTask implements Iterable<Token>, AutoCloseable {

    /** Ends requests whose loop was left. */
    private static final class Abandoned {

        private static final Cleaner CLEANER = Cleaner.create();
    }

    private final GenerationState state;

    /** A task for a request that has been taken. */
    GenerationTask(GenerationState state) {
        this.state = state;
    }

    /** What has become of the request. */
    GenerationState state() {
        return state;
    }

    /**
     * The result, which has the tokens so far and {@link FinishReason#CANCELLED} if {@link #cancel} was called; or one
     * of these exceptions: {@link DeadlineExceededException},
     * {@link dev.isthmus.engine.errors.InvalidInputException} when the options leave no token to choose,
     * {@link CancelledException} after {@link BatchingExecutor#closeNow},
     * {@link dev.isthmus.engine.errors.ClosedException} when the model is closed,
     * {@link dev.isthmus.engine.errors.OutOfMemoryException}, or what a {@link LogitsProcessor} has thrown. Cancelling
     * the future cancels the request. Dependent stages never run on the thread that computes.
     *
     * @return the future
     */
    public CompletableFuture<GenerationResult> result() {
        return state.result();
    }

    /**
     * The tokens as they are generated; its methods wait for them. After the last token of a request that something
     * went wrong with they throw what {@link #result} ends with; {@link #finishReason} tells a text that was cut short
     * by {@link #cancel} from a whole one. A thread that is interrupted while it waits cancels the request and gets a
     * {@link CancelledException}.
     *
     * @throws ConcurrentUseException if they are already gone through
     */
    @Override
    public Iterator<Token> iterator() {
        state.beginLoop();
        try {
            Iterator<Token> iterator = new Tokens();
            Abandoned.CLEANER.register(iterator, state::abandon);
            return iterator;
        } catch (OutOfMemoryError noMemory) {
            state.cancelLoop();
            throw HeapLimit.failure(noMemory);
        }
    }

    private final class Tokens implements Iterator<Token> {

        private int next;

        @Override
        public boolean hasNext() {
            return state.token(next) != null;
        }

        @Override
        public Token next() {
            Token token = state.token(next);
            if (token == null) {
                throw new NoSuchElementException("the request has ended");
            }
            next++;
            return token;
        }
    }

    /**
     * {@return the tokens as a sequential stream} Closing it cancels the request.
     *
     * @throws ConcurrentUseException if they are already gone through
     */
    public Stream<Token> stream() {
        return StreamSupport.stream(Spliterators.spliteratorUnknownSize(iterator(),
                Spliterator.ORDERED | Spliterator.NONNULL), false).onClose(this::cancel);
    }

    /** {@return why the text ended; empty while it goes on, and if something went wrong} */
    public Optional<FinishReason> finishReason() {
        return state.finishReason();
    }

    /**
     * Ends the request, from any thread: its result, with the tokens so far, is there at once, and shortly after where
     * a {@link LogitsProcessor} calls. A pass that it shares with other requests goes on for them; one that serves only
     * cancelled requests ends within one layer's work.
     */
    public void cancel() {
        state.cancel();
    }

    /** The same as {@link #cancel}, unless it has ended already. */
    @Override
    public void close() {
        cancel();
    }
}
