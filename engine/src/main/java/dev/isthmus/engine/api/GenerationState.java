package dev.isthmus.engine.api;

import dev.isthmus.engine.errors.CancelledException;
import dev.isthmus.engine.errors.ConcurrentUseException;
import dev.isthmus.engine.scheduler.PreparedFailures;
import dev.isthmus.engine.scheduler.ScheduledRequest;
import dev.isthmus.engine.scheduler.SchedulerThread;
import dev.isthmus.engine.session.LoadedModel;
import dev.isthmus.engine.session.TokenBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;

/** What has become of a request that was submitted: its tokens so far, how it ended, and how many are wanted. */
final class GenerationState implements ScheduledRequest {

    /** How many tokens are generated ahead of a loop: enough that the batch need not wait for a thread to wake up. */
    private static final int READ_AHEAD = 4;

    /** How often completing the result is tried by one thread while there is no memory for it. */
    private static final int ATTEMPTS = 6;

    private final Continuation continuation;
    private final int promptLength;
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

    /** The thread that goes through the tokens; null before one does. */
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
    GenerationState(LoadedModel model, GenerationRequest request, long now, Runnable changed) {
        promptLength = request.prompt().size();
        options = request.options();
        cacheDomain = request.cacheDomain();
        int[] prompt = request.prompt().stream().mapToInt(Integer::intValue).toArray();
        continuation = new Continuation(model, prompt, options);
        hasDeadline = request.timeLimit().isPresent();
        deadline = now + request.timeLimit().map(GenerationState::nanos).orElse(0L);
        this.changed = changed;
        // Also what a caller does to the future ends the request.
        result.whenComplete((value, failed) -> cancel());
    }

    /** A duration in nanoseconds, cut to some centuries. */
    private static long nanos(Duration duration) {
        return duration.compareTo(Duration.ofNanos(Long.MAX_VALUE / 2)) < 0 ? duration.toNanos() : Long.MAX_VALUE / 2;
    }

    /** The result, which is wanted whole from now on. */
    CompletableFuture<GenerationResult> result() {
        wantWhole();
        return result;
    }

    @Override
    public void wantWhole() {
        wantedWhole = true;
        changed.run();
    }

    /** Begins the one loop that there can be. */
    void beginLoop() {
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
    }

    /** Nobody goes through the tokens after all: the request must not wait for a loop. */
    void cancelLoop() {
        consumer = null;
        changed.run();
    }

    /** Waits for token {@code index}; null after the last. */
    Token token(int index) {
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

    /** Why the text ended; empty while it goes on, and if something went wrong. */
    Optional<FinishReason> finishReason() {
        lock.lock();
        try {
            return Optional.ofNullable(finishReason);
        } finally {
            lock.unlock();
        }
    }

    /** Ends the request, and completes its result at once where the thread does not compute for others. */
    void cancel() {
        boolean isCancelled = end(FinishReason.CANCELLED, null);
        // Stages that depend on the result must not run on a thread that computes for others; another settles it then.
        if (isCancelled && !result.isDone() && !SchedulerThread.isComputing(Thread.currentThread())) {
            settle();
        }
    }

    @Override
    public String cacheDomain() {
        return cacheDomain;
    }

    @Override
    public int promptLength() {
        return promptLength;
    }

    @Override
    public TokenBuffer text() {
        return continuation.text();
    }

    @Override
    public int maxTokens() {
        return options.maxTokens();
    }

    @Override
    public boolean mayEndEarly() {
        return options.stopAtEndOfText() || !options.stop().isEmpty();
    }

    @Override
    public void choose(float[] logits) {
        deliver(continuation.next(logits));
        if (continuation.finishReason() != null) {
            complete(continuation.finishReason());
        }
    }

    @Override
    public long nanosLeft(long now) {
        return hasDeadline ? deadline - now : Long.MAX_VALUE;
    }

    @Override
    public boolean isEnded() {
        if (!ended && hasDeadline && deadline - System.nanoTime() <= 0) {
            fail(PreparedFailures.deadlineExceeded());
        }
        return ended;
    }

    @Override
    public boolean isPaused() {
        return consumer != null && !wantedWhole && tokens.size() >= asked + READ_AHEAD;
    }

    /** Whether nobody will take more tokens if {@code closer} waits: its own loop or that of a dead thread was left. */
    @Override
    public boolean isLeft(Thread closer) {
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

    @Override
    public void abandon() {
        complete(FinishReason.CANCELLED);
    }

    /** Ends the request as its text has ended. Neither allocates nor runs a caller's code. */
    void complete(FinishReason reason) {
        end(reason, null);
    }

    /**
     * Ends the request as something went wrong.
     *
     * @param failed an {@link dev.isthmus.engine.errors.EngineException}, or what a caller's own code has thrown
     */
    @Override
    public void fail(Throwable failed) {
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

    @Override
    public boolean isDone() {
        return result.isDone();
    }

    /**
     * Completes the future of a request that has ended, and runs the stages that depend on it. While there is no memory
     * it tries again for a while; it may be called several times.
     */
    @Override
    public void settle() {
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
