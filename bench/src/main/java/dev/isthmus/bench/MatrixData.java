package dev.isthmus.bench;

import dev.isthmus.engine.kernels.DeviceMatrix;
import dev.isthmus.engine.kernels.Matrix;
import dev.isthmus.engine.kernels.PackedMatrix;
import dev.isthmus.engine.kernels.PlainMatrix;
import java.lang.foreign.MemorySegment;

/** The memory of a matrix of either form. */
final class MatrixData {

    private MatrixData() {}

    static MemorySegment of(Matrix matrix) {
        return switch (matrix) {
            case PackedMatrix packed -> packed.data();
            case PlainMatrix plain -> plain.weight().data();
            case DeviceMatrix _ -> throw new IllegalArgumentException("a matrix on a device");
        };
    }
}
