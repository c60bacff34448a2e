package dev.isthmus.engine.files;

import dev.isthmus.engine.checks.Interrupts;
import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.CheckpointException.Reason;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/** What every reader of a file checks first, and the exceptions for a file that is missing or cannot be read. */
public final class RegularFile {

    private RegularFile() {}

    /**
     * Checks that a path leads to a regular file. Opening a FIFO would wait for a writer for ever, and a directory
     * gives obscure errors later.
     *
     * @throws CheckpointException if there is none, or something else
     */
    public static void require(Path path) {
        if (Files.isRegularFile(path)) {
            return;
        }
        if (!Files.exists(path)) {
            throw missing(path, null);
        }
        throw new CheckpointException(Reason.UNREADABLE, path, "expected a regular file, found "
                + (Files.isDirectory(path) ? "a directory" : "a device, pipe or socket"));
    }

    private static CheckpointException missing(Path path, IOException cause) {
        String why = Files.isSymbolicLink(path) ? "the link leads to no file" : "there is no such file";
        return new CheckpointException(Reason.MISSING_FILE, path, why + "; check the path or download the model again",
                cause);
    }

    /** The exception for a file that is missing or cannot be read, or whose reading was interrupted. */
    public static RuntimeException unreadable(Path path, Exception cause) {
        if (cause instanceof NoSuchFileException gone) {
            return missing(path, gone);
        }
        return Interrupts.orElse(cause, path + ": reading it", () -> new CheckpointException(Reason.UNREADABLE, path,
                "cannot be read (" + cause + "); check that you may read it and that its disk is well", cause));
    }
}
