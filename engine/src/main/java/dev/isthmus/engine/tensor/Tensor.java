package dev.isthmus.engine.tensor;

import dev.isthmus.bindings.DeviceMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Objects;

/**
 * A dense row-major array in off-heap memory. The memory's owner is the arena that it was allocated from; use
 * after that arena is closed throws {@link IllegalStateException}. Safe to share between threads as far as the
 * contents are not written.
 *
 * @param data the elements: exactly {@code shape.elements() * dtype.bytes()} bytes on the host. On a device it is the
 *     device's address with no bytes behind it, so that reading it from Java is an {@link IndexOutOfBoundsException}
 * @param dtype the element type
 * @param shape the dimensions
 * @param place where the elements are
 */
public record Tensor(MemorySegment data, DType dtype, Shape shape, Place place) {

    /** The alignment of freshly allocated tensors in bytes: a cache line, and the widest vector register. */
    public static final long ALIGNMENT = 64;

    /**
     * Checks that the segment has the size that the shape asks for.
     *
     * @throws IllegalArgumentException if it has not
     */
    public Tensor {
        Objects.requireNonNull(data, "data");
        long bytes = Math.multiplyExact(shape.elements(), (long) dtype.bytes());
        long expected = place == Place.HOST ? bytes : 0;
        if (data.byteSize() != expected) {
            throw new IllegalArgumentException("a " + dtype + " tensor of shape " + shape + " on the " + place
                    + " takes a segment of " + expected + " bytes, found " + data.byteSize());
        }
    }

    /** A tensor in the process's own memory. */
    public Tensor(MemorySegment data, DType dtype, Shape shape) {
        this(data, dtype, shape, Place.HOST);
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
        Objects.checkIndex(rows, dims[0] + 1);
        dims[0] = rows;
        return view(0, dims);
    }

    /** This tensor's elements from {@code first} on as a tensor of another shape, on the same memory. */
    public Tensor view(long first, long... dims) {
        Shape part = new Shape(dims);
        Objects.checkFromIndexSize(first, part.elements(), shape.elements());
        long offset = first * dtype.bytes();
        MemorySegment elements = place == Place.HOST ? data.asSlice(offset, part.elements() * dtype.bytes())
                : DeviceMemory.behind(data, offset);
        return new Tensor(elements, dtype, part, place);
    }

    /** The bytes that the elements take. */
    public long bytes() {
        return shape.elements() * dtype.bytes();
    }

    /** The size of dimension {@code i}. */
    public long dim(int i) {
        return shape.dim(i);
    }
}
