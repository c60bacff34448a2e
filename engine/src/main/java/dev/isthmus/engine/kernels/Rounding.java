package dev.isthmus.engine.kernels;

import dev.isthmus.engine.config.WeightType;

/**
 * Rounds weights to what a {@link WeightType} can hold, by the same steps and in the same float32 arithmetic as
 * {@code pack.c}: the values are those that the C kernels compute with, bit for bit.
 */
public final class Rounding {

    /** What is so small that its inverse would overflow counts as zero. */
    private static final float TINY = 0x1p-100f;

    private static final int INT8_LIMIT = 127;
    private static final int Q4_CANDIDATES = 9;

    private Rounding() {}

    /**
     * Rounds the first {@code count} of {@code block}, inputs of one output that share a scale.
     *
     * @param count at most the type's {@link WeightType#blockInputs}; any for a type without scales
     */
    public static void round(WeightType type, float[] block, int count) {
        switch (type) {
            case F32 -> { }
            case F16 -> {
                for (int i = 0; i < count; i++) {
                    block[i] = Float.float16ToFloat(Float.floatToFloat16(block[i]));
                }
            }
            case BF16 -> {
                for (int i = 0; i < count; i++) {
                    block[i] = bfloat16(block[i]);
                }
            }
            case INT8 -> roundInt8(block, count);
            case Q4 -> roundQ4(block, count);
        }
    }

    /** Rounds to the nearest bfloat16, ties to even; NaN stays NaN. */
    static float bfloat16(float x) {
        int bits = Float.floatToRawIntBits(x);
        int rounded = Float.isNaN(x) ? bits | 0x400000 : bits + 0x7fff + (bits >>> 16 & 1);
        return Float.intBitsToFloat(rounded & 0xffff0000);
    }

    private static void roundInt8(float[] block, int count) {
        float largest = Math.abs(extreme(block, count));
        float half = int8Scale(largest / INT8_LIMIT);
        float scale = Float.isFinite(half) ? half : Float.NaN;
        float inverse = scale > 0 ? 1 / scale : 0;
        for (int i = 0; i < count; i++) {
            block[i] = scale * clamp(block[i] * inverse, -INT8_LIMIT, INT8_LIMIT);
        }
    }

    /** The nearest binary16 number; the next one up where binary16 has fewer than 8 significant bits. */
    private static float int8Scale(float exact) {
        short half = Float.floatToFloat16(exact);
        boolean up = exact < 0x1p-17f && Float.float16ToFloat(half) < exact;
        return Float.float16ToFloat(up ? (short) (half + 1) : half);
    }

    private static void roundQ4(float[] block, int count) {
        float extreme = extreme(block, count);
        float scale = Float.isFinite(extreme) ? q4Scale(block, count, extreme) : Float.NaN;
        float inverse = Math.abs(scale) > 0 ? 1 / scale : 0;
        for (int i = 0; i < count; i++) {
            block[i] = scale * clamp(block[i] * inverse, -8, 7);
        }
    }

    /**
     * The binary16 scale with the least squared error: the extreme weight becomes −8, or something near it. NaN where
     * binary16 has no number so large.
     */
    private static float q4Scale(float[] block, int count, float extreme) {
        float best = Float.NaN;
        float least = Float.POSITIVE_INFINITY;
        for (int candidate = 0; candidate < Q4_CANDIDATES; candidate++) {
            float scale = Float.float16ToFloat(Float.floatToFloat16(extreme / (-8 + 0.25f * candidate)));
            if (!(Math.abs(scale) > TINY)) {
                return scale;
            }
            float inverse = 1 / scale;
            float error = 0;
            for (int i = 0; i < count; i++) {
                float difference = block[i] - scale * clamp(block[i] * inverse, -8, 7);
                error += difference * difference;
            }
            if (error < least) {
                least = error;
                best = scale;
            }
        }
        return best;
    }

    /** The value of largest magnitude, the first of several; NaN where there is one. */
    private static float extreme(float[] block, int count) {
        float extreme = 0;
        for (int i = 0; i < count; i++) {
            if (Math.abs(block[i]) > Math.abs(extreme) || Float.isNaN(block[i])) {
                extreme = block[i];
            }
            if (Float.isNaN(extreme)) {
                break;
            }
        }
        return extreme;
    }

    private static int clamp(float x, int low, int high) {
        float rounded = (float) Math.rint(x);
        return rounded > low ? Math.min((int) rounded, high) : low;
    }
}
