package dev.isthmus.engine.session;

import dev.isthmus.engine.errors.OutOfMemoryException;
import java.util.function.Supplier;

/** Calls of a model or a session for which the JVM may lack memory. */
public final class HeapLimit {

    private static final String OUT_OF_MEMORY = "a call of the model or of one of its sessions takes more memory than"
            + " the process gets; close sessions, or raise the process's limit or Java's -Xmx";

    /** What {@link Throwable#addSuppressed} says of an error that would suppress itself. */
    private static final String SELF_SUPPRESSION = "Self-suppression not permitted";

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
        } catch (OutOfMemoryError | IllegalArgumentException | LinkageError failed) {
            if (isOutOfMemory(failed)) {
                throw failure(failed);
            }
            throw failed;
        }
    }

    /**
     * Whether memory has run out, also as try-with-resources and the JVM tell of it: where closing a resource fails
     * with the very error that is thrown already, and where a class cannot be initialized or linked.
     */
    public static boolean isOutOfMemory(Throwable failed) {
        if (failed instanceof OutOfMemoryError) {
            return true;
        }
        boolean tells = failed instanceof LinkageError
                || failed instanceof IllegalArgumentException && SELF_SUPPRESSION.equals(failed.getMessage());
        return tells && failed.getCause() instanceof OutOfMemoryError;
    }

    /** The typed exception for an error of the JVM. */
    public static OutOfMemoryException failure(Throwable error) {
        try {
            return new OutOfMemoryException(OUT_OF_MEMORY, error);
        } catch (OutOfMemoryError again) {
            return PREPARED;
        }
    }
}
