package dev.isthmus.engine.model;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.kernels.Layout;
import dev.isthmus.engine.kernels.Matrix;
import dev.isthmus.engine.kernels.PackedMatrix;
import dev.isthmus.engine.weights.StoredType;
import java.lang.foreign.MemorySegment;

/**
 * Tells whether weights are within the range of the binary16 scales that their blocks get. Above 65504 a scale would be
 * infinite. Below 2^-14 binary16 numbers lie 2^-24 apart, so that the scale of small weights is inexact and that of
 * the smallest zero. The least scale is the one down to which a weight's error stays below twice the usual one, in
 * shares of the block's largest weight:
 *
 * <ul>
 *   <li>INT8 rounds such scales up, which clips nothing: at 2^-24 a scale is at most doubled, and with it the error.
 *   <li>Q4 searches for the best scale among several: at 2^-21 a scale is off by a sixteenth, as are weights usually.
 *   <li>Q8_0 is ggml's, which rounds to nearest: at 2^-17 a scale is off by a 256th, as are weights usually.
 * </ul>
 *
 * <p>How large a matrix's other blocks are does not count. The outputs of a tiny block may be all that matters: where
 * queries are 1e-6 times as large and keys 1e6 times, in one matrix, the model computes the same.
 */
public final class ScaleRange {

    private static final float LARGEST = 65504;

    private final int blockInputs;
    private final float largestInteger;
    private final float least;

    private ScaleRange(int blockInputs, float largestInteger, float least) {
        this.blockInputs = blockInputs;
        this.largestInteger = largestInteger;
        this.least = least;
    }

    /** The range of INT8 or Q4. */
    public static ScaleRange of(WeightType type) {
        return type == WeightType.INT8 ? new ScaleRange(type.blockInputs(), 127, 0x1p-24f)
                : new ScaleRange(type.blockInputs(), 8, 0x1p-21f);
    }

    /** The range of ggml's Q8_0. */
    public static ScaleRange ofQ8() {
        return new ScaleRange(StoredType.GGML_BLOCK, 127, 0x1p-17f);
    }

    /**
     * Some weights of a matrix.
     *
     * @param layout how they lie
     * @param weights F32 [inputs, outputs] or [outputs, inputs]
     * @param inputs how many inputs; the first one begins a block
     * @param outputs how many outputs
     */
    public record Weights(Layout layout, MemorySegment weights, int inputs, int outputs) {

        private float get(int k, int n) {
            long index = layout == Layout.IN_OUT ? (long) k * outputs + n : (long) n * inputs + k;
            return weights.get(JAVA_FLOAT_UNALIGNED, index * Float.BYTES);
        }
    }

    /** Whether the scales of all blocks are within the range. */
    public boolean holds(Weights weights) {
        for (int k = 0; k < weights.inputs(); k += blockInputs) {
            for (int n = 0; n < weights.outputs(); n++) {
                if (!holds(weights, k, n)) {
                    return false;
                }
            }
        }
        return true;
    }

    /**
     * As {@link #holds(Weights)} for weights that a matrix was packed from. Where it has scales these tell, and few
     * weights are looked at.
     *
     * @param k0 the input of the matrix that is the first one of the weights
     * @param n0 the output that is
     */
    static boolean holds(Matrix matrix, Weights weights, int k0, int n0) {
        if (!matrix.type().isQuantized()) {
            return true;
        }
        ScaleRange range = of(matrix.type());
        if (!(matrix instanceof PackedMatrix packed)) {
            return range.holds(weights);
        }
        for (int n = 0; n < weights.outputs(); n++) {
            for (int k = 0; k < weights.inputs(); k += range.blockInputs) {
                // Rounding and Q4's search make a scale less than twice as large as the exact one.
                float scale = Math.abs(packed.scale(k0 + k, n0 + n));
                if (!(scale > 2 * range.least && scale < LARGEST) && !range.holds(weights, k, n)) {
                    return false;
                }
            }
        }
        return true;
    }

    /** A block that is zero, or has numbers that are not finite, loses nothing to its scale. */
    private boolean holds(Weights weights, int k, int n) {
        float largest = 0;
        for (int i = k; i < Math.min(k + blockInputs, weights.inputs()); i++) {
            largest = Math.max(largest, Math.abs(weights.get(i, n)));
        }
        float scale = largest / largestInteger;
        return largest == 0 || !Float.isFinite(largest) || scale >= least && scale <= LARGEST;
    }
}
