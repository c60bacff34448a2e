package dev.isthmus.engine.convert;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.kernels.Rounding;
import dev.isthmus.engine.weights.StoredType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** Turns float32 numbers into what a file stores, by the same rounding as the kernels' where they have the type. */
final class WeightEncoder {

    /** The elements of a block of Q8_0. */
    static final int BLOCK = 32;

    private static final int Q8_0_LIMIT = 127;

    private static final ValueLayout.OfShort HALF = ValueLayout.JAVA_SHORT_UNALIGNED
            .withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED
            .withOrder(ByteOrder.LITTLE_ENDIAN);

    private WeightEncoder() {}

    /**
     * Encodes numbers and rounds them in place to what they will be read as.
     *
     * @param type F32, F16, BF16 or Q8_0
     * @param count how many of {@code values}, for Q8_0 whole blocks
     * @param into takes the bytes
     */
    static void encode(StoredType type, float[] values, int count, MemorySegment into) {
        switch (type) {
            case F32 -> MemorySegment.copy(values, 0, into, FLOAT, 0, count);
            case F16 -> {
                Rounding.round(WeightType.F16, values, count);
                for (int i = 0; i < count; i++) {
                    into.set(HALF, (long) Short.BYTES * i, Float.floatToFloat16(values[i]));
                }
            }
            case BF16 -> {
                Rounding.round(WeightType.BF16, values, count);
                for (int i = 0; i < count; i++) {
                    into.set(HALF, (long) Short.BYTES * i, (short) (Float.floatToRawIntBits(values[i]) >>> 16));
                }
            }
            case Q8_0 -> {
                for (int block = 0; block < count / BLOCK; block++) {
                    encodeBlock(values, block * BLOCK, into.asSlice(type.bytes((long) block * BLOCK)));
                }
            }
            default -> throw new IllegalArgumentException("weights are not stored as " + type);
        }
    }

    /** As ggml's {@code quantize_row_q8_0_ref}: halves round away from zero. */
    private static void encodeBlock(float[] values, int begin, MemorySegment into) {
        float largest = 0;
        for (int i = begin; i < begin + BLOCK; i++) {
            largest = Math.max(largest, Math.abs(values[i]));
        }
        float scale = largest / Q8_0_LIMIT;
        float inverse = scale != 0 ? 1 / scale : 0;
        short half = Float.floatToFloat16(scale);
        into.set(HALF, 0, half);
        for (int i = 0; i < BLOCK; i++) {
            float x = values[begin + i] * inverse;
            int q = (int) Math.copySign(Math.floor(Math.abs((double) x) + 0.5), x);
            into.set(JAVA_BYTE, Short.BYTES + i, (byte) q);
            values[begin + i] = Float.float16ToFloat(half) * (byte) q;
        }
    }
}
