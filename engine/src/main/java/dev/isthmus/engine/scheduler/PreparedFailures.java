package dev.isthmus.engine.scheduler;

import dev.isthmus.engine.errors.BackendException;
import dev.isthmus.engine.errors.CancelledException;
import dev.isthmus.engine.errors.DeadlineExceededException;
import dev.isthmus.engine.errors.EngineException;
import dev.isthmus.engine.session.HeapLimit;

/**
 * The failures that end requests. Where there is no memory for a new one, these are made beforehand and have neither a
 * trace nor a cause: ending a request needs no memory.
 */
public final class PreparedFailures {

    private static final String TIME_OVER = "the request was not done within its time limit; allow more time, ask for"
            + " fewer tokens or send fewer requests at once";
    private static final String CLOSED = "the batching executor was closed before the request was done; make another"
            + " with Model.newBatchingExecutor and submit it again";
    private static final String DEFECT = "computing a batch of requests failed; this is a defect of the engine, please"
            + " report it";

    private static final DeadlineExceededException DEADLINE_EXCEEDED =
            withoutTrace(new DeadlineExceededException(TIME_OVER));
    private static final CancelledException EXECUTOR_CLOSED = withoutTrace(new CancelledException(CLOSED));
    private static final BackendException UNKNOWN_DEFECT = withoutTrace(new BackendException(DEFECT));

    private PreparedFailures() {}

    private static <E extends EngineException> E withoutTrace(E failure) {
        failure.setStackTrace(new StackTraceElement[0]);
        return failure;
    }

    /** A request's time is over. */
    public static EngineException deadlineExceeded() {
        try {
            return new DeadlineExceededException(TIME_OVER);
        } catch (OutOfMemoryError noMemory) {
            return DEADLINE_EXCEEDED;
        }
    }

    /** The executor was told to close at once. */
    public static EngineException executorClosed() {
        try {
            return new CancelledException(CLOSED);
        } catch (OutOfMemoryError noMemory) {
            return EXECUTOR_CLOSED;
        }
    }

    /** The typed failure for anything that was thrown while a batch was computed. */
    public static EngineException of(Throwable thrown) {
        if (thrown instanceof EngineException typed) {
            return typed;
        }
        return HeapLimit.isOutOfMemory(thrown) ? HeapLimit.failure(thrown) : defect(thrown);
    }

    private static EngineException defect(Throwable thrown) {
        try {
            return new BackendException(DEFECT + " (" + thrown + ")", thrown);
        } catch (Throwable cannotBeSaid) {
            return UNKNOWN_DEFECT;
        }
    }
}
