package dev.isthmus.engine.api;

import dev.isthmus.engine.checks.Arguments;
import dev.isthmus.engine.errors.CancelledException;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.function.BooleanSupplier;
import java.util.function.Function;

/**
 * A search for the best continuations of a session's text. Nothing is computed before {@link #run}. The session stays
 * as it is; while the search runs, it refuses other calls.
 *
 * <p>Used by one thread at a time, but {@link #cancel} may be called from any: it takes effect within one layer's work.
 */
public final class CompletionSearch implements AutoCloseable {

    private final Function<BooleanSupplier, List<Completion>> work;
    private volatile boolean cancelled;

    CompletionSearch(Function<BooleanSupplier, List<Completion>> work) {
        this.work = work;
    }

    /**
     * Searches.
     *
     * @return the continuations found, the best first
     * @throws CancelledException if it is cancelled before it is done
     * @throws dev.isthmus.engine.errors.ConcurrentUseException if another call to the session is under way
     */
    public List<Completion> run() {
        return work.apply(() -> cancelled);
    }

    /**
     * As {@link #run}, by an executor. Cancelling the future cancels the search.
     *
     * @param executor runs the search as one task
     * @return what {@link #run} returns or throws
     */
    public CompletableFuture<List<Completion>> runAsync(Executor executor) {
        Arguments.nonNull(executor, "search for completions", "executor");
        CompletableFuture<List<Completion>> future = CompletableFuture.supplyAsync(this::run, executor);
        future.whenComplete((found, failure) -> {
            if (future.isCancelled()) {
                cancel();
            }
        });
        return future;
    }

    /** Ends the search, from any thread. */
    public void cancel() {
        cancelled = true;
    }

    /** The same as {@link #cancel}. */
    @Override
    public void close() {
        cancel();
    }
}
