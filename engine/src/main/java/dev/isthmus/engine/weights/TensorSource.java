package dev.isthmus.engine.weights;

import dev.isthmus.engine.files.ByteSink;
import dev.isthmus.engine.files.NewFile;
import dev.isthmus.engine.files.Quote;
import dev.isthmus.engine.tensor.Shape;
import java.io.IOException;

/** A tensor that is to be written to a file. Its bytes come piece by piece, so that it need not be in memory whole. */
public interface TensorSource {

    /** Its name, which must be valid Unicode. */
    String name();

    /** The element type. */
    StoredType type();

    /** The dimensions, outermost first. */
    Shape shape();

    /** Hands over all elements, in row-major order and little-endian. */
    void writeTo(ByteSink out) throws IOException;

    /** How many bytes {@link #writeTo} gives. */
    default long bytes() {
        return type().bytes(shape().elements());
    }

    /**
     * Appends all elements to a file.
     *
     * @throws IllegalStateException if there are more or fewer bytes than {@link #bytes} says
     */
    default void appendTo(NewFile file) throws IOException {
        long begin = file.position();
        writeTo(file);
        if (file.position() - begin != bytes()) {
            throw new IllegalStateException("tensor " + Quote.of(name()) + " should have given " + bytes()
                    + " bytes, and gave " + (file.position() - begin));
        }
    }
}
