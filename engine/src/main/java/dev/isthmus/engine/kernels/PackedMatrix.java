package dev.isthmus.engine.kernels;

import dev.isthmus.engine.config.WeightType;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import java.lang.foreign.MemorySegment;

/**
 * A weight matrix in panels of {@link #PANEL} outputs, the form of libisthmus, which {@code isthmus.h} describes. Files
 * with weights of type INT8 and Q4 hold them in this form, others may.
 *
 * @param type how the weights are kept
 * @param inputs K
 * @param outputs N
 * @param data the panels, {@link #bytes} in all
 */
public record PackedMatrix(WeightType type, int inputs, int outputs, MemorySegment data) implements Matrix {

    /** The outputs of a panel. */
    public static final int PANEL = 64;

    /**
     * Checks the size.
     *
     * @throws IllegalArgumentException if {@code data} is not as long as the sizes ask for
     */
    public PackedMatrix {
        long expected = bytes(type, inputs, outputs);
        if (data.byteSize() != expected) {
            throw new IllegalArgumentException("a packed " + type + " matrix of " + inputs + " inputs and " + outputs
                    + " outputs takes " + expected + " bytes, found " + data.byteSize());
        }
    }

    /** The bytes of a matrix of these sizes. */
    public static long bytes(WeightType type, int inputs, int outputs) {
        return Math.ceilDiv(outputs, PANEL) * panelBytes(type, inputs);
    }

    /** The bytes of one panel, or of its first {@code inputs} inputs where these are whole blocks. */
    public static long panelBytes(WeightType type, int inputs) {
        long blocks = Math.ceilDiv(inputs, type.blockInputs());
        return switch (type) {
            case F32 -> (long) inputs * PANEL * Float.BYTES;
            case F16, BF16 -> (long) inputs * PANEL * Short.BYTES;
            case INT8 -> Math.ceilDiv(inputs, 4) * 4L * PANEL + blocks * PANEL * Short.BYTES;
            case Q4 -> blocks * (type.blockInputs() / 2 + Short.BYTES) * PANEL;
        };
    }

    /** Weight (k, n) as the number that it stands for. */
    public float weight(int k, int n) {
        long panel = n / PANEL * panelBytes(type, inputs);
        int c = n % PANEL;
        return switch (type) {
            case F32 -> data.get(JAVA_FLOAT_UNALIGNED, panel + ((long) k * PANEL + c) * Float.BYTES);
            case F16 -> Float.float16ToFloat(data.get(JAVA_SHORT_UNALIGNED,
                    panel + ((long) k * PANEL + c) * Short.BYTES));
            case BF16 -> Float.intBitsToFloat(data.get(JAVA_SHORT_UNALIGNED,
                    panel + ((long) k * PANEL + c) * Short.BYTES) << 16);
            case INT8 -> int8(panel, k, c);
            case Q4 -> q4(panel, k, c);
        };
    }

    private float int8(long panel, int k, int c) {
        int i = k % type.blockInputs();
        long block = panel + panelBytes(type, k - i);
        int q = Byte.toUnsignedInt(data.get(JAVA_BYTE, block + (i / 4 * PANEL + c) * 4L + i % 4)) - 128;
        return scale(panel, k - i, c) * q;
    }

    private float q4(long panel, int k, int c) {
        int i = k % type.blockInputs();
        long block = panel + panelBytes(type, k - i);
        int both = data.get(JAVA_BYTE, block + (i / 8 * PANEL + c) * 4L + i % 4);
        int q = (i % 8 < 4 ? both & 15 : both >> 4 & 15) - 8;
        return scale(panel, k - i, c) * q;
    }

    /**
     * The scale of the block of weight (k, n).
     *
     * @throws IllegalArgumentException if the type has no scales
     */
    public float scale(int k, int n) {
        if (!type.isQuantized()) {
            throw new IllegalArgumentException(type + " has no scales");
        }
        return scale(n / PANEL * panelBytes(type, inputs), k - k % type.blockInputs(), n % PANEL);
    }

    /** The scale of output c of a panel in the block whose first input is k0. */
    private float scale(long panel, int k0, int c) {
        int integers = type == WeightType.INT8 ? Math.ceilDiv(Math.min(type.blockInputs(), inputs - k0), 4) * 4
                : type.blockInputs() / 2;
        long scales = panel + panelBytes(type, k0) + (long) integers * PANEL;
        return Float.float16ToFloat(data.get(JAVA_SHORT_UNALIGNED, scales + c * 2L));
    }
}
