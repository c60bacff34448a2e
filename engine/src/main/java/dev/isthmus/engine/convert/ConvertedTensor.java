package dev.isthmus.engine.convert;

import dev.isthmus.engine.errors.UnsupportedModelException;
import dev.isthmus.engine.files.ByteSink;
import dev.isthmus.engine.tensor.Shape;
import dev.isthmus.engine.weights.StoredType;
import dev.isthmus.engine.weights.TensorSource;
import java.io.IOException;
import java.util.Locale;

/** A weight in another type than it is stored in. It is read and rounded when it is written. Not thread-safe. */
public final class ConvertedTensor implements TensorSource {

    private final String name;
    private final StoredType type;
    private final Shape shape;
    private final Contents contents;
    private RoundingError error;

    /** Makes the bytes and counts what rounding changes. */
    interface Contents {
        void writeTo(ByteSink out, RoundingError error) throws IOException;
    }

    ConvertedTensor(String name, StoredType type, Shape shape, Contents contents) {
        this.name = name;
        this.type = type;
        this.shape = shape;
        this.contents = contents;
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public StoredType type() {
        return type;
    }

    @Override
    public Shape shape() {
        return shape;
    }

    /**
     * Reads, rounds and hands over the tensor.
     *
     * @throws UnsupportedModelException if a finite number would become infinite or NaN
     * @throws dev.isthmus.engine.errors.CheckpointException if it cannot be read
     */
    @Override
    public void writeTo(ByteSink out) throws IOException {
        RoundingError counted = new RoundingError();
        contents.writeTo(out, counted);
        if (counted.lost() > 0) {
            throw new UnsupportedModelException(String.format(Locale.ROOT, "tensor %s: %,d finite numbers would become"
                    + " infinite or NaN: they are too large for the type, or share a scale with one that is not finite;"
                    + " choose f32 or bf16, and see what isthmus verify says", name, counted.lost()));
        }
        error = counted;
    }

    /**
     * What rounding changed.
     *
     * @throws IllegalStateException before {@link #writeTo}
     */
    public RoundingError error() {
        if (error == null) {
            throw new IllegalStateException("tensor " + name + " has not been written");
        }
        return error;
    }
}
