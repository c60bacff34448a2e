package dev.isthmus.engine.checks;

import dev.isthmus.engine.errors.CancelledException;
import dev.isthmus.engine.errors.EngineException;
import java.nio.channels.ClosedByInterruptException;
import java.util.function.Supplier;

/** Turns a thread's interrupt into a {@link CancelledException}; the thread stays interrupted. */
public final class Interrupts {

    private Interrupts() {}

    /**
     * Ends the work of a thread that was interrupted.
     *
     * @param doing what is being done, for the message
     * @throws CancelledException if the calling thread is interrupted
     */
    public static void check(String doing) {
        check(Thread.currentThread(), doing);
    }

    /**
     * Ends what is done for a thread that was interrupted.
     *
     * @param caller the thread for which the work is done
     * @param doing what is being done, for the message
     * @throws CancelledException if {@code caller} is interrupted
     */
    public static void check(Thread caller, String doing) {
        if (caller.isInterrupted()) {
            throw cancelled(doing);
        }
    }

    /**
     * {@return the failure to throw: that the work was cancelled where an interrupt closed the channel, else the other}
     *
     * @param failure what went wrong while a channel was read or written
     * @param doing what was being done, for the message
     * @param otherwise makes the exception that blames the file
     */
    public static RuntimeException orElse(Exception failure, String doing,
            Supplier<? extends RuntimeException> otherwise) {
        return failure instanceof ClosedByInterruptException ? cancelled(doing) : otherwise.get();
    }

    /**
     * Works with files that several threads may read. Where the calling thread is interrupted, channels close under
     * all of them, and what each of them meets then is the interrupt's doing.
     *
     * @param doing what is being done, for the message
     * @param work throws {@link EngineException}s for what goes wrong with files
     * @throws CancelledException if the calling thread is interrupted before or during the work and it did not succeed
     */
    public static <R> R during(String doing, Supplier<R> work) {
        check(doing);
        try {
            return work.get();
        } catch (EngineException failed) {
            throw Thread.currentThread().isInterrupted() && !(failed instanceof CancelledException) ? cancelled(doing)
                    : failed;
        }
    }

    /** {@return the failure of work that an interrupt has ended} */
    public static CancelledException cancelled(String doing) {
        return new CancelledException(doing + ": the thread was interrupted");
    }
}
