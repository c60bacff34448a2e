package dev.isthmus.engine.kernels;

import static java.lang.foreign.ValueLayout.JAVA_DOUBLE_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import dev.isthmus.engine.tensor.DType;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.MemorySegment;

/** Elements of any type in the process's own memory, as Java's numbers. */
public final class HostMemory {

    private HostMemory() {}

    /** Element {@code index} of an array of {@code type}. */
    public static double get(MemorySegment data, DType type, long index) {
        return switch (type) {
            case F64 -> data.get(JAVA_DOUBLE_UNALIGNED, index * Double.BYTES);
            case F32 -> data.get(JAVA_FLOAT_UNALIGNED, index * Float.BYTES);
            case F16 -> Float.float16ToFloat(data.get(JAVA_SHORT_UNALIGNED, index * Short.BYTES));
            case BF16 -> Float.intBitsToFloat(data.get(JAVA_SHORT_UNALIGNED, index * Short.BYTES) << 16);
            case INT8 -> throw noScale();
        };
    }

    /** Stores an element as its type rounds it, to the nearest and to even on a tie. */
    public static void set(MemorySegment data, DType type, long index, double value) {
        switch (type) {
            case F64 -> data.set(JAVA_DOUBLE_UNALIGNED, index * Double.BYTES, value);
            case F32 -> data.set(JAVA_FLOAT_UNALIGNED, index * Float.BYTES, (float) value);
            case F16 -> data.set(JAVA_SHORT_UNALIGNED, index * Short.BYTES, Float.floatToFloat16((float) value));
            case BF16 -> data.set(JAVA_SHORT_UNALIGNED, index * Short.BYTES,
                    (short) (Float.floatToRawIntBits(Rounding.bfloat16((float) value)) >>> 16));
            case INT8 -> throw noScale();
        }
    }

    private static IllegalArgumentException noScale() {
        return new IllegalArgumentException("a byte of a cache is no number without its scale");
    }

    /** Copies elements from {@code first} on into an array, as many as it holds. */
    public static void read(Tensor from, long first, float[] into) {
        if (from.dtype() == DType.F32) {
            MemorySegment.copy(from.data(), JAVA_FLOAT_UNALIGNED, first * Float.BYTES, into, 0, into.length);
            return;
        }
        for (int i = 0; i < into.length; i++) {
            into[i] = (float) get(from.data(), from.dtype(), first + i);
        }
    }

    /** Copies elements from {@code first} on into an array, as many as it holds. */
    public static void read(Tensor from, long first, double[] into) {
        for (int i = 0; i < into.length; i++) {
            into[i] = get(from.data(), from.dtype(), first + i);
        }
    }

    /** Stores float32 values as a tensor's elements, all of them. */
    public static void write(MemorySegment values, Tensor into) {
        if (into.dtype() == DType.F32) {
            into.data().copyFrom(values);
            return;
        }
        for (long i = 0; i < into.shape().elements(); i++) {
            set(into.data(), into.dtype(), i, values.get(JAVA_FLOAT_UNALIGNED, i * Float.BYTES));
        }
    }

    /** {@link WeightMemory#read} for matrices in the process's own memory. */
    static void readWeights(Matrix matrix, int first, float[] into) {
        int inputs = matrix.inputs();
        // Input by input, as both forms lie in memory.
        for (int k = 0; k < inputs; k++) {
            for (int n = 0; n < into.length / inputs; n++) {
                into[n * inputs + k] = matrix instanceof PackedMatrix packed ? packed.weight(k, first + n)
                        : PlainMatrix.of(matrix).get(k, first + n);
            }
        }
    }
}
