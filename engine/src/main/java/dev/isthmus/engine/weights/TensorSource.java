package dev.isthmus.engine.weights;

import dev.isthmus.engine.tensor.Shape;
import java.io.IOException;
import java.lang.foreign.MemorySegment;

/** A tensor that is to be written to a file. Its bytes come piece by piece, so that it need not be in memory whole. */
public interface TensorSource {

    /** Takes bytes. */
    @FunctionalInterface
    interface Sink {
        /**
         * Appends bytes; the caller may use the memory anew afterwards.
         *
         * @throws IOException if they cannot be written
         */
        void write(MemorySegment bytes) throws IOException;
    }

    /** Its name, which must be valid Unicode. */
    String name();

    /** The element type. */
    StoredType type();

    /** The dimensions, outermost first. */
    Shape shape();

    /** Hands over all elements, in row-major order and little-endian. */
    void writeTo(Sink out) throws IOException;

    /** How many bytes {@link #writeTo} gives. */
    default long bytes() {
        return type().bytes(shape().elements());
    }
}
