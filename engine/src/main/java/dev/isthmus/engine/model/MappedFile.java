package dev.isthmus.engine.model;

import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.CheckpointException.Reason;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.function.BooleanSupplier;

/**
 * A file of packed matrices that are used where they lie in it.
 *
 * @param path the file
 * @param bytes the file in memory
 * @param whole whether every page that was read was there
 */
public record MappedFile(Path path, MemorySegment bytes, BooleanSupplier whole) {

    /**
     * Checks that what was computed from this file's weights was computed from them.
     *
     * @throws CheckpointException if the file has lost a part of them
     */
    void requireWhole() {
        if (!whole.getAsBoolean()) {
            throw new CheckpointException(Reason.UNREADABLE, path, "a part of the weights, which are used where they"
                    + " lie in this file, can no longer be read: the file was cut short, or its disk fails; restore the"
                    + " file and open the model again");
        }
    }
}
