package dev.isthmus.engine.tensor;

import java.util.Arrays;
import java.util.stream.Collectors;

/**
 * The dimensions of a tensor, outermost first. Immutable; a scalar has no dimensions.
 *
 * @param dims the dimensions, each ≥ 0
 */
public record Shape(long... dims) {

    /**
     * Checks the dimensions.
     *
     * @throws IllegalArgumentException if one is negative
     * @throws ArithmeticException if their product overflows a {@code long}
     */
    public Shape {
        dims = dims.clone();
        long elements = 1;
        for (long dim : dims) {
            if (dim < 0) {
                throw new IllegalArgumentException("a dimension must be >= 0, found " + Arrays.toString(dims));
            }
            elements = Math.multiplyExact(elements, dim);
        }
    }

    @Override
    public long[] dims() {
        return dims.clone();
    }

    /** The number of dimensions. */
    public int rank() {
        return dims.length;
    }

    /** The size of dimension {@code i}. */
    public long dim(int i) {
        return dims[i];
    }

    /** The number of elements: the product of all dimensions, 1 for a scalar. */
    public long elements() {
        long elements = 1;
        for (long dim : dims) {
            elements *= dim;
        }
        return elements;
    }

    /** The shape of a matrix's transpose. */
    public Shape transposed() {
        if (dims.length != 2) {
            throw new IllegalArgumentException("expected two dimensions, found " + this);
        }
        return new Shape(dims[1], dims[0]);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Shape shape && Arrays.equals(dims, shape.dims);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(dims);
    }

    /** As it is written in messages: {@code [768, 2304]}. */
    @Override
    public String toString() {
        return Arrays.stream(dims).mapToObj(Long::toString).collect(Collectors.joining(", ", "[", "]"));
    }
}
