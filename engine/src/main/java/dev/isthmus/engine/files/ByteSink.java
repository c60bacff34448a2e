package dev.isthmus.engine.files;

import java.io.IOException;
import java.lang.foreign.MemorySegment;

/** Takes bytes, one piece after another. */
@FunctionalInterface
public interface ByteSink {

    /**
     * Appends bytes; the caller may use the memory again afterwards.
     *
     * @throws IOException if they cannot be written
     */
    void write(MemorySegment bytes) throws IOException;
}
