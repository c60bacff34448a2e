package dev.isthmus.engine.api;

import dev.isthmus.engine.errors.CancelledException;
import dev.isthmus.engine.errors.ConcurrentUseException;
import dev.isthmus.engine.errors.DeadlineExceededException;
import dev.isthmus.engine.errors.EngineException;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Spliterator;
import java.util.Spliterators;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/**
 * A request that a {@link BatchingExecutor} has taken: its tokens as they come, and its result. Tokens are generated
 * whether or not they are taken.
 *
 * <p>Any number of threads may use it; the tokens can be gone through once.
 */
public final class GenerationTask implements Iterable<Token>, AutoCloseable {

    private final Continuation continuation;
    private final int[] prompt;
    private final String cacheDomain;
    /** {@link System#nanoTime} of the deadline. */
    private final long deadline;
    private final boolean hasDeadline;
    private final CompletableFuture<GenerationResult> result = new CompletableFuture<>();
    /** What the iterator takes: tokens, and an {@link End} behind the last. */
    private final BlockingQueue<Object> output = new LinkedBlockingQueue<>();
    private final List<Token> tokens = new ArrayList<>();
    private final AtomicBoolean iterating = new AtomicBoolean();
    private final AtomicBoolean ended = new AtomicBoolean();

    /** Behind the last token: what went wrong, or null. */
    private record End(Throwable failure) {}

    /** Made as the request is submitted. */
    GenerationTask(Model model, GenerationRequest request, long now) {
        prompt = request.prompt().stream().mapToInt(Integer::intValue).toArray();
        cacheDomain = request.cacheDomain();
        continuation = new Continuation(model, prompt, request.options());
        hasDeadline = request.timeLimit().isPresent();
        deadline = now + request.timeLimit().map(BatchingExecutor::nanos).orElse(0L);
        // Also what a caller does to the future ends the request.
        result.whenComplete((value, failure) -> cancel());
    }

    /**
     * The result, or one of these exceptions: {@link CancelledException},
     * {@link dev.isthmus.engine.errors.DeadlineExceededException},
     * {@link dev.isthmus.engine.errors.ContextFullException} when the context is full before the text has ended,
     * {@link dev.isthmus.engine.errors.InvalidInputException} when the options leave no token to choose,
     * {@link dev.isthmus.engine.errors.ClosedException} when the model is closed,
     * {@link dev.isthmus.engine.errors.OutOfMemoryException}, or what a {@link LogitsProcessor} has thrown. Cancelling
     * the future cancels the request. Dependent stages never run on the thread that computes.
     *
     * @return the future
     */
    public CompletableFuture<GenerationResult> result() {
        return result;
    }

    /**
     * The tokens as they are generated; its methods wait for them. Behind the last token of a request that does not come
     * to its end they throw what {@link #result} ends with: a text that was cut short is not taken for a whole one. A
     * thread that is interrupted while it waits cancels the request and gets a {@link CancelledException}.
     *
     * @throws ConcurrentUseException if they are already gone through
     */
    @Override
    public Iterator<Token> iterator() {
        if (iterating.getAndSet(true)) {
            throw new ConcurrentUseException("the tokens of a request can be gone through once; take the result for all"
                    + " of them");
        }
        return new Iterator<>() {
            private Object ahead;

            @Override
            public boolean hasNext() {
                if (ahead == null) {
                    ahead = take();
                }
                return switch (ahead) {
                    case End(RuntimeException failure) -> throw failure;
                    case End(Error failure) -> throw failure;
                    case End end -> false;
                    default -> true;
                };
            }

            @Override
            public Token next() {
                if (!hasNext()) {
                    throw new NoSuchElementException("the request has ended");
                }
                Token token = (Token) ahead;
                ahead = null;
                return token;
            }
        };
    }

    private Object take() {
        try {
            return output.take();
        } catch (InterruptedException e) {
            cancel();
            Thread.currentThread().interrupt();
            throw new CancelledException("waiting for a token: the thread was interrupted; the request is cancelled");
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

    /**
     * Ends the request, from any thread: its result is there at once. A pass that it shares with other requests goes on
     * for them; one that serves only cancelled requests ends within one layer's work.
     */
    public void cancel() {
        if (ended.compareAndSet(false, true)) {
            CancelledException cancelled = new CancelledException("the request was cancelled by the caller");
            output.add(new End(cancelled));
            result.completeExceptionally(cancelled);
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

    Continuation continuation() {
        return continuation;
    }

    /** Whether there is nothing more to do, also because its time is over by now. */
    boolean isEnded() {
        if (hasDeadline && deadline - System.nanoTime() <= 0) {
            fail(new DeadlineExceededException("the request was not done within its time limit; allow more time, ask"
                    + " for fewer tokens or send fewer requests at once"));
        }
        return ended.get();
    }

    /** Hands out a token. Called by one thread at a time. */
    void deliver(Token token) {
        tokens.add(token);
        output.add(token);
    }

    /** The text has ended. */
    void complete(FinishReason reason) {
        if (ended.compareAndSet(false, true)) {
            output.add(new End(null));
            GenerationResult value = new GenerationResult(tokens, reason);
            result.completeAsync(() -> value, Thread::startVirtualThread);
        }
    }

    /** Something went wrong: an {@link EngineException}, or what a caller's own code has thrown. */
    void fail(Throwable failure) {
        if (ended.compareAndSet(false, true)) {
            output.add(new End(failure));
            Thread.startVirtualThread(() -> result.completeExceptionally(failure));
        }
    }
}
