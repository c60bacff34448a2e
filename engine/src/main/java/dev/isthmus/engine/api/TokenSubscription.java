package dev.isthmus.engine.api;

import dev.isthmus.engine.errors.ConcurrentUseException;
import java.util.Iterator;
import java.util.Objects;
import java.util.concurrent.Executor;
import java.util.concurrent.Flow;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;

/**
 * One subscriber's view of a generation, by the rules of the Reactive Streams specification 1.0.4, which the numbers
 * below refer to. Its calls may come from any thread; signals are sent by one task at a time.
 */
final class TokenSubscription implements Flow.Subscription {

    private final Generation generation;
    private final Iterator<Token> tokens;
    private final Executor executor;
    private final AtomicLong demand = new AtomicLong();
    /** Counts the calls that the running task has yet to look at; 0 while none runs. */
    private final AtomicInteger calls = new AtomicInteger();
    /** Null once there is nothing more to signal (3.13). */
    private volatile Flow.Subscriber<? super Token> subscriber;
    private volatile boolean cancelled;
    private volatile boolean invalid;

    private TokenSubscription(Generation generation, Iterator<Token> tokens, Executor executor,
            Flow.Subscriber<? super Token> subscriber) {
        this.generation = generation;
        this.tokens = tokens;
        this.executor = executor;
        this.subscriber = subscriber;
    }

    /** Subscribes, or tells the subscriber why it cannot (1.9). */
    static void start(Generation generation, Executor executor, Flow.Subscriber<? super Token> subscriber) {
        Objects.requireNonNull(subscriber, "subscriber");
        Iterator<Token> tokens;
        try {
            tokens = generation.iterator();
        } catch (ConcurrentUseException taken) {
            subscriber.onSubscribe(new Flow.Subscription() {
                @Override
                public void request(long n) {}

                @Override
                public void cancel() {}
            });
            subscriber.onError(taken);
            return;
        }
        TokenSubscription subscription = new TokenSubscription(generation, tokens, executor, subscriber);
        // No signal may overtake onSubscribe (1.3): until it returns, calls are only counted.
        subscription.calls.set(1);
        subscriber.onSubscribe(subscription);
        if (subscription.calls.decrementAndGet() > 0) {
            subscription.execute();
        }
    }

    @Override
    public void request(long n) {
        if (n <= 0) {
            invalid = true;
        } else {
            demand.getAndUpdate(before -> before + n < 0 ? Long.MAX_VALUE : before + n);
        }
        schedule();
    }

    @Override
    public void cancel() {
        cancelled = true;
        generation.cancel();
        schedule();
    }

    private void schedule() {
        if (calls.getAndIncrement() == 0) {
            execute();
        }
    }

    private void execute() {
        try {
            executor.execute(this::run);
        } catch (RejectedExecutionException rejected) {
            end(each -> each.onError(rejected));
        }
    }

    private void run() {
        int seen = calls.get();
        while (seen != 0) {
            signal();
            seen = calls.addAndGet(-seen);
        }
    }

    /** Signals what there is to signal now. */
    private void signal() {
        while (subscriber != null && !cancelled && !invalid && demand.get() > 0 && advance()) {
            demand.updateAndGet(before -> before == Long.MAX_VALUE ? before : before - 1);
            deliver(tokens.next());
        }
        if (cancelled) {
            subscriber = null;
        } else if (invalid) {
            end(each -> each.onError(new IllegalArgumentException(
                    "the number of tokens requested must be above 0 (Reactive Streams 3.9)")));
        } else if (generation.finishReason().isPresent()) {
            end(Flow.Subscriber::onComplete);
        }
    }

    /** Computes the next token; false at the end. */
    private boolean advance() {
        try {
            return tokens.hasNext();
        } catch (RuntimeException | Error failed) {
            end(each -> each.onError(failed));
            return false;
        }
    }

    private void deliver(Token token) {
        if (cancelled) {
            return;
        }
        try {
            subscriber.onNext(token);
        } catch (RuntimeException | Error broken) {
            // Against 2.13: it counts as cancelled, and the executor gets to know.
            cancelled = true;
            subscriber = null;
            generation.cancel();
            throw broken;
        }
    }

    private void end(Consumer<Flow.Subscriber<? super Token>> signal) {
        Flow.Subscriber<? super Token> last = subscriber;
        subscriber = null;
        generation.cancel();
        if (last != null && !cancelled) {
            signal.accept(last);
        }
    }
}
