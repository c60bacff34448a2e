package dev.isthmus.engine.tensor;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Objects;

/**
 * A dense row-major array in off-heap memory. The memory's owner is the arena that it was allocated from; use
 * after that arena is closed throws {@link IllegalStateException}. Safe to share between threads as far as the
 * contents are not written.
 *
 * @param data the elements; exactly {@code shape.elements() * dtype.bytes()} bytes
 * @param dtype the element type
 * @param shape the dimensions
 */
public record Tensor(MemorySegment data, DType dtype, Shape shape) {

    /** The alignment of freshly allocated tensors in bytes: a cache line, and the widest vector register. */
    public static final long ALIGNMENT = 64;

    /**
     * Checks that the segment has the size that the shape asks for.
     *
     * @throws IllegalArgumentException if it has not
     */
    public Tensor {
        Objects.requireNonNull(data, "data");
        long expected = Math.multiplyExact(shape.elements(), (long) dtype.bytes());
        if (data.byteSize() != expected) {
            throw new IllegalArgumentException("a " + dtype + " tensor of shape " + shape + " takes " + expected
                    + " bytes, found a segment of " + data.byteSize());
        }
    }

    /** Allocates a zeroed tensor, aligned to {@link #ALIGNMENT} bytes. */
    public static Tensor allocate(Arena arena, DType dtype, long... dims) {
        Shape shape = new Shape(dims);
        long bytes = Math.multiplyExact(shape.elements(), (long) dtype.bytes());
        return new Tensor(arena.allocate(bytes, ALIGNMENT), dtype, shape);
    }

    /** The first {@code rows} rows of this tensor's outermost dimension, on the same memory. */
    public Tensor rows(long rows) {
        long[] dims = shape.dims();
        long rowBytes = dims[0] == 0 ? 0 : data.byteSize() / dims[0];
        Objects.checkIndex(rows, dims[0] + 1);
        dims[0] = rows;
        return new Tensor(data.asSlice(0, rows * rowBytes), dtype, new Shape(dims));
    }

    /** The size of dimension {@code i}. */
    public long dim(int i) {
        return shape.dim(i);
    }
}
