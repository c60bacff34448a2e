package dev.isthmus.engine.files;

import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.CheckpointException.Reason;
import java.nio.file.Path;
import java.util.function.Supplier;

/** Reading files when memory runs out, on the Java heap or outside it. */
public final class MemoryLimit {

    private MemoryLimit() {}

    /**
     * Reads. What a read takes is bounded by the size of its file, but not by what the process may have.
     *
     * @param path what is read, for the message
     * @throws CheckpointException if there is not enough memory; what was taken is free again
     */
    public static <R> R reading(Path path, Supplier<R> read) {
        try {
            return read.get();
        } catch (OutOfMemoryError e) {
            throw new CheckpointException(Reason.UNREADABLE, path, "reading it takes more memory than the process"
                    + " gets (" + e.getMessage() + "); free memory, raise the process's limit or Java's -Xmx", e);
        }
    }
}
