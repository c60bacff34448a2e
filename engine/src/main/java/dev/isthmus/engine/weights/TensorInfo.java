package dev.isthmus.engine.weights;

import dev.isthmus.engine.tensor.Shape;
import java.nio.file.Path;

/**
 * Where a tensor lies in a file. One that a header gave is consistent: the range lies within the file and is as long
 * as type and shape ask for.
 *
 * @param name its name, unique in the file
 * @param type the element type; elements are little-endian
 * @param shape the dimensions; a scalar has none, and any may be 0
 * @param file the file that holds it
 * @param begin the position of its first byte in the file
 * @param end the position after its last byte
 * @param transposed false if the elements lie row-major, true for a matrix whose columns lie one after another
 */
public record TensorInfo(String name, StoredType type, Shape shape, Path file, long begin, long end,
        boolean transposed) {

    /** The same bytes under another name and as another matrix. */
    public TensorInfo as(String otherName, Shape otherShape, boolean otherwiseTransposed) {
        return new TensorInfo(otherName, type, otherShape, file, begin, end, otherwiseTransposed);
    }

    /** The size in the file in bytes. */
    public long bytes() {
        return end - begin;
    }
}
