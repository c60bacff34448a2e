package dev.isthmus.engine.api;

import dev.isthmus.engine.errors.CancelledException;
import dev.isthmus.engine.errors.ConcurrentUseException;
import dev.isthmus.engine.errors.DeadlineExceededException;
import dev.isthmus.engine.errors.EngineException;
import java.lang.ref.Cleaner;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.Spliterator;
import java.util.Spliterators;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
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

    /** How many tokens are generated ahead of a loop: enough that the batch need not wait for a thread to wake up. */
    private static final int READ_AHEAD = 4;

    /** How often completing the result is tried by one thread while there is no memory for it. */
    private static final int ATTEMPTS = 6;

    /** Ends requests whose loop was left. */
    private static final class Abandoned {

        private static final Cleaner CLEANER = Cleaner.create();
    }

    private final Continuation continuation;
    private final int[] prompt;
    private final GenerationOptions options;
    private final String cacheDomain;
    /** {@link System#nanoTime} of the deadline. */
    private final long deadline;
    private final boolean hasDeadline;
    private final Runnable changed;
    private final CompletableFuture<GenerationResult> result = new CompletableFuture<>();

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition news = lock.newCondition();
    /** Changed by the thread that computes, with the lock; never once the request has ended. */
    private final List<Token> tokens = new ArrayList<>();
    private FinishReason finishReason;
    private Throwable failure;
    private volatile boolean ended;

    /** The thread that goes through the tokens; null before somebody does. */
    private volatile Thread consumer;
    /** How many tokens the loop has asked for. */
    private volatile int asked;
    private volatile boolean wantedWhole;

    /**
     * Made as the request is submitted, at {@code now}.
     *
     * @param changed told, without a lock held, when the request has ended or more of it is wanted; throws nothing and
     *     allocates nothing
     */
    GenerationTask(Model model, GenerationRequest request, long now, Runnable changed) {
        prompt = request.prompt().stream().mapToInt(Integer::intValue).toArray();
        options = request.options();
        cacheDomain = request.cacheDomain();
        continuation = new Continuation(model, prompt, options);
        hasDeadline = request.timeLimit().isPresent();
        deadline = now + request.timeLimit().map(BatchingExecutor::nanos).orElse(0L);
        this.changed = changed;
        // Also what a caller does to the future ends the request.
        result.whenComplete((value, failed) -> cancel());
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
        wantWhole();
        return result;
    }

    /** Lets the request be computed to its end, however far a loop has come. */
    void wantWhole() {
        wantedWhole = true;
        changed.run();
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
        lock.lock();
        try {
            if (consumer != null) {
                throw new ConcurrentUseException("the tokens of a request can be gone through once; take the result for"
                        + " all of them");
            }
            consumer = Thread.currentThread();
        } finally {
            lock.unlock();
        }
        try {
            Iterator<Token> iterator = new Tokens();
            Abandoned.CLEANER.register(iterator, () -> end(FinishReason.CANCELLED, null));
            return iterator;
        } catch (OutOfMemoryError noMemory) {
            // Nobody goes through the tokens after all: the request must not wait for a loop.
            consumer = null;
            changed.run();
            throw Model.outOfMemory(noMemory);
        }
    }

    private final class Tokens implements Iterator<Token> {

        private int next;

        @Override
        public boolean hasNext() {
            return token(next) != null;
        }

        @Override
        public Token next() {
            Token token = token(next);
            if (token == null) {
                throw new NoSuchElementException("the request has ended");
            }
            next++;
            return token;
        }
    }

    /** Waits for token {@code index}; null after the last. */
    private Token token(int index) {
        if (index >= asked) {
            consumer = Thread.currentThread();
            asked = index + 1;
            changed.run();
        }
        try {
            lock.lockInterruptibly();
            try {
                while (index >= tokens.size() && !ended) {
                    news.await();
                }
                return index < tokens.size() ? tokens.get(index) : requireSound();
            } finally {
                lock.unlock();
            }
        } catch (InterruptedException e) {
            cancel();
            Thread.currentThread().interrupt();
            throw new CancelledException("waiting for a token: the thread was interrupted; the request is cancelled");
        }
    }

    private Token requireSound() {
        if (failure instanceof RuntimeException failed) {
            throw failed;
        }
        if (failure instanceof Error failed) {
            throw failed;
        }
        return null;
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
        lock.lock();
        try {
            return Optional.ofNullable(finishReason);
        } finally {
            lock.unlock();
        }
    }

    /**
     * Ends the request, from any thread: its result, with the tokens so far, is there at once, and shortly after where
     * a {@link LogitsProcessor} calls. A pass that it shares with other requests goes on for them; one that serves only
     * cancelled requests ends within one layer's work.
     */
    public void cancel() {
        boolean isCancelled = end(FinishReason.CANCELLED, null);
        // Stages that depend on the result must not run on a thread that computes for others; another settles it then.
        if (isCancelled && !result.isDone() && !BatchingExecutor.isComputing(Thread.currentThread())) {
            settle();
        }
    }

    /** The same as {@link #cancel}, unless it has ended already. */
    @Override
    public void close() {
        cancel();
    }

    /** Whose prefixes it shares. */
    String cacheDomain() {
        return cacheDomain;
    }

    int[] prompt() {
        return prompt;
    }

    GenerationOptions options() {
        return options;
    }

    Continuation continuation() {
        return continuation;
    }

    /** The nanoseconds that are left at {@code now}; the largest value where it has no deadline. */
    long nanosLeft(long now) {
        return hasDeadline ? deadline - now : Long.MAX_VALUE;
    }

    /** Whether there is nothing more to do, also because its time is over by now. */
    boolean isEnded() {
        if (!ended && hasDeadline && deadline - System.nanoTime() <= 0) {
            fail(PreparedFailures.deadlineExceeded());
        }
        return ended;
    }

    /** Whether as many tokens are ahead of the loop as may be. Called by the thread that computes. */
    boolean isPaused() {
        return consumer != null && !wantedWhole && tokens.size() >= asked + READ_AHEAD;
    }

    /** Whether nobody will take more tokens if {@code closer} waits: its own loop or that of a dead thread was left. */
    boolean isLeft(Thread closer) {
        Thread loop = consumer;
        return loop != null && !wantedWhole && (loop == closer || !loop.isAlive());
    }

    /** Hands out a token. Called by one thread at a time. */
    void deliver(Token token) {
        lock.lock();
        try {
            if (!ended) {
                tokens.add(token);
                news.signalAll();
            }
        } finally {
            lock.unlock();
        }
    }

    /** Ends the request as its text has ended. Neither allocates nor runs a caller's code. */
    void complete(FinishReason reason) {
        end(reason, null);
    }

    /**
     * Ends the request as something went wrong: an {@link EngineException}, or what a caller's own code has thrown.
     * Neither allocates nor runs a caller's code.
     */
    void fail(Throwable failed) {
        end(null, failed);
    }

    /** True if it had not ended before. */
    private boolean end(FinishReason reason, Throwable failed) {
        lock.lock();
        try {
            if (ended) {
                return false;
            }
            finishReason = reason;
            failure = failed;
            ended = true;
            news.signalAll();
        } finally {
            lock.unlock();
        }
        changed.run();
        return true;
    }

    /** Whether its future is complete. */
    boolean isDone() {
        return result.isDone();
    }

    /**
     * Completes the future of a request that has ended, and runs the stages that depend on it. While there is no memory
     * it tries again for a while; it may be called several times.
     */
    void settle() {
        for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
            try {
                if (result.isDone()) {
                    // Goes on with stages that have yet to run.
                    result.complete(null);
                } else if (failure != null) {
                    result.completeExceptionally(failure);
                } else {
                    result.complete(new GenerationResult(tokens, finishReason));
                }
                return;
            } catch (OutOfMemoryError noMemory) {
                LockSupport.parkNanos(this, TimeUnit.MILLISECONDS.toNanos(1L << attempt));
            }
        }
    }
}
