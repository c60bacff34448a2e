package dev.isthmus.engine.api;

import dev.isthmus.engine.checks.Arguments;
import dev.isthmus.engine.checks.Interrupts;
import dev.isthmus.engine.errors.CancelledException;
import dev.isthmus.engine.errors.ConcurrentUseException;
import dev.isthmus.engine.model.LayerProbe;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.Spliterator;
import java.util.Spliterators;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.Flow;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/**
 * The tokens that continue a session's text, each computed when it is asked for. It can be gone through once, in one of
 * these ways: in a loop, as a {@link #stream}, with a callback on an executor ({@link #forEachAsync}), or as a
 * {@link #publisher}. Leaving the loop ends the work. The tokens handed out are part of the session, those of a stop
 * string too.
 *
 * <p>Used by one thread at a time, but {@link #cancel} may be called from any: it takes effect within one layer's work.
 */
public final class Generation implements Iterable<Token>, AutoCloseable {

    private final Session session;
    private final Continuation continuation;
    private final LayerProbe probe;
    private final int changes;
    private final AtomicBoolean iterating = new AtomicBoolean();
    private volatile boolean cancelled;
    private volatile FinishReason finishReason;

    /** Made by the session's only caller. */
    Generation(Session session, Continuation continuation, int changes, BooleanSupplier cancelledToo) {
        this.session = session;
        this.continuation = continuation;
        this.changes = changes;
        this.probe = Completions.probe(() -> cancelled || cancelledToo.getAsBoolean());
    }

    /**
     * The tokens. After the last one that the context has room for they end with {@link FinishReason#CONTEXT_FULL}. Its
     * methods throw {@link dev.isthmus.engine.errors.ClosedException} once the session or the model is closed, and
     * {@link CancelledException} in a thread that is interrupted.
     *
     * @throws ConcurrentUseException if it is already gone through
     */
    @Override
    public Iterator<Token> iterator() {
        if (iterating.getAndSet(true)) {
            throw new ConcurrentUseException("a generation can be gone through once; start another with "
                    + "Session.generate");
        }
        return new Iterator<>() {
            private Token ahead;

            @Override
            public boolean hasNext() {
                if (ahead == null && finishReason == null) {
                    ahead = compute();
                }
                return ahead != null;
            }

            @Override
            public Token next() {
                if (!hasNext()) {
                    throw new NoSuchElementException("the generation has ended: " + finishReason);
                }
                Token token = ahead;
                ahead = null;
                return token;
            }
        };
    }

    /**
     * {@return the tokens as a sequential stream that computes what is pulled from it} Closing it cancels the
     * generation.
     *
     * @throws ConcurrentUseException if it is already gone through
     */
    public Stream<Token> stream() {
        return StreamSupport.stream(Spliterators.spliteratorUnknownSize(iterator(),
                Spliterator.ORDERED | Spliterator.NONNULL), false).onClose(this::cancel);
    }

    /**
     * Hands all tokens to a callback, one after the other, in one task of an executor.
     *
     * @param action takes each token on the executor's thread; what it throws ends the generation
     * @param executor runs the task, which lasts as long as the generation
     * @return why the generation ended, {@link FinishReason#CANCELLED} after {@link #cancel}, or the exception that ended
     *     it. Cancelling the future cancels the generation
     * @throws ConcurrentUseException if it is already gone through
     */
    public CompletableFuture<FinishReason> forEachAsync(Consumer<? super Token> action, Executor executor) {
        Arguments.nonNull(action, "generate", "action");
        Arguments.nonNull(executor, "generate", "executor");
        Iterator<Token> tokens = iterator();
        CompletableFuture<FinishReason> future = CompletableFuture.supplyAsync(() -> {
            tokens.forEachRemaining(action);
            return finishReason;
        }, executor);
        future.whenComplete((reason, failure) -> cancel());
        return future;
    }

    /**
     * {@return the tokens as a publisher for one subscriber, by the rules of Reactive Streams: a token is computed only
     * when the subscriber has asked for it, and cancelling the subscription cancels the generation} A second subscriber
     * gets a {@link ConcurrentUseException}.
     *
     * @param executor computes the tokens and calls the subscriber; a task lasts as long as there is demand
     */
    public Flow.Publisher<Token> publisher(Executor executor) {
        Arguments.nonNull(executor, "generate", "executor");
        return subscriber -> TokenSubscription.start(this, executor, subscriber);
    }

    /** Ends the generation, from any thread; tokens handed out already stay in the session. */
    public void cancel() {
        cancelled = true;
    }

    /** {@return why it ended; empty while it goes on} */
    public Optional<FinishReason> finishReason() {
        return Optional.ofNullable(finishReason);
    }

    /** The same as {@link #cancel}, unless it has ended already. */
    @Override
    public void close() {
        cancel();
    }

    private Token compute() {
        if (continuation.finishReason() != null) {
            finishReason = continuation.finishReason();
            return null;
        }
        if (probe.cancelled()) {
            finishReason = FinishReason.CANCELLED;
            return null;
        }
        Interrupts.check("generating");
        try {
            Token token = session.next(continuation, changes, probe);
            finishReason = continuation.finishReason();
            return token;
        } catch (CancelledException ended) {
            if (!cancelled && Thread.currentThread().isInterrupted()) {
                throw ended;
            }
            finishReason = FinishReason.CANCELLED;
            return null;
        }
    }
}
