package dev.isthmus.engine.session;

import dev.isthmus.engine.errors.OutOfMemoryException;
import java.util.function.Supplier;

/** Calls of a model or a session for which the JVM may lack memory. */
public final class HeapLimit {

    private static final String OUT_OF_MEMORY = "a call of the model or of one of its sessions takes more memory than"
            + " the process gets; close sessions, or raise the process's limit or Java's -Xmx";

    /** Thrown where there is not even memory for another; without a trace, since it may be thrown anywhere. */
    private static final OutOfMemoryException PREPARED = new OutOfMemoryException(OUT_OF_MEMORY, null);

    static {
        PREPARED.setStackTrace(new StackTraceElement[0]);
    }

    private HeapLimit() {}

    /**
     * Runs {@code work}, which may run out of memory.
     *
     * @throws OutOfMemoryException for the error that the JVM throws
     */
    public static <R> R within(Supplier<R> work) {
        try {
            return work.get();
        } catch (OutOfMemoryError e) {
            throw failure(e);
        }
    }

    /** The typed exception for an error of the JVM. */
    public static OutOfMemoryException failure(OutOfMemoryError error) {
        try {
            return new OutOfMemoryException(OUT_OF_MEMORY, error);
        } catch (OutOfMemoryError again) {
            return PREPARED;
        }
    }
}
