package dev.isthmus.engine.kernels;

import dev.isthmus.engine.config.WeightType;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.isthmus.engine.tensor.DType;
import dev.isthmus.engine.tensor.Shape;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.MemorySegment;

/**
 * A weight matrix in float32 as a checkpoint has it, for kernels in Java. A type of fewer bits shows in the values only:
 * they are what {@code type} can hold.
 *
 * @param type what the values have been rounded to
 * @param layout how {@code weight} lies
 * @param weight [K, N] or [N, K], F32
 */
public record PlainMatrix(WeightType type, Layout layout, Tensor weight) implements Matrix {

    @Override
    public int inputs() {
        return (int) weight.dim(layout == Layout.IN_OUT ? 0 : 1);
    }

    @Override
    public int outputs() {
        return (int) weight.dim(layout == Layout.IN_OUT ? 1 : 0);
    }

    /** A matrix on memory of {@link #bytes} bytes. */
    public static PlainMatrix of(WeightType type, Layout layout, int inputs, int outputs, MemorySegment memory) {
        Shape shape = layout == Layout.IN_OUT ? new Shape(inputs, outputs) : new Shape(outputs, inputs);
        return new PlainMatrix(type, layout, new Tensor(memory, DType.F32, shape));
    }

    /**
     * The matrix as a plain one.
     *
     * @throws IllegalArgumentException if it is packed: made by other kernels
     */
    public static PlainMatrix of(Matrix matrix) {
        if (matrix instanceof PlainMatrix plain) {
            return plain;
        }
        throw new IllegalArgumentException("expected a matrix made by these kernels, found a packed one");
    }

    /** Weight (k, n). */
    public float get(int k, int n) {
        long index = layout == Layout.IN_OUT ? k * weight.dim(1) + n : n * weight.dim(1) + k;
        return weight.data().get(JAVA_FLOAT_UNALIGNED, index * Float.BYTES);
    }

    /** The bytes of a matrix of these sizes. */
    public static long bytes(int inputs, int outputs) {
        return (long) inputs * outputs * Float.BYTES;
    }

    /** {@link WeightMemory#pack} for such a matrix: copies a part and rounds it. */
    public void pack(MemorySegment weights, int k0, int k1, int n0, int n1) {
        boolean inOut = layout == Layout.IN_OUT;
        int rows = inOut ? k1 - k0 : n1 - n0;
        int columns = inOut ? n1 - n0 : k1 - k0;
        float[][] part = new float[rows][columns];
        for (int r = 0; r < rows; r++) {
            MemorySegment.copy(weights, JAVA_FLOAT_UNALIGNED, (long) r * columns * Float.BYTES, part[r], 0, columns);
        }
        round(part, inOut);
        for (int r = 0; r < rows; r++) {
            long row = inOut ? k0 + r : n0 + r;
            long column = inOut ? n0 : k0;
            MemorySegment.copy(part[r], 0, weight.data(), JAVA_FLOAT_UNALIGNED,
                    (row * weight.dim(1) + column) * Float.BYTES, columns);
        }
    }

    private void round(float[][] part, boolean inOut) {
        int inputs = inOut ? part.length : part[0].length;
        int outputs = inOut ? part[0].length : part.length;
        float[] block = new float[type.blockInputs()];
        for (int n = 0; n < outputs; n++) {
            for (int k = 0; k < inputs; k += block.length) {
                int count = Math.min(block.length, inputs - k);
                for (int i = 0; i < count; i++) {
                    block[i] = inOut ? part[k + i][n] : part[n][k + i];
                }
                Rounding.round(type, block, count);
                for (int i = 0; i < count; i++) {
                    if (inOut) {
                        part[k + i][n] = block[i];
                    } else {
                        part[n][k + i] = block[i];
                    }
                }
            }
        }
    }
}
