package dev.isthmus.engine.config;

/** How a model keeps its weight matrices. Vectors (norms, biases) and the position embedding are float32 always. */
public enum WeightType {
    /** IEEE 754 binary32. */
    F32(1, 32),
    /** IEEE 754 binary16; products are computed in float32. */
    F16(1, 16),
    /** The upper half of a binary32; products are computed in float32. */
    BF16(1, 16),
    /**
     * Eight bits, symmetric: blocks of 128 inputs of one output share a binary16 scale. Products are of bytes:
     * activations are rounded to eight bits too, with a scale for each row and block.
     */
    INT8(128, 8),
    /** Four bits: blocks of 32 inputs of one output share a binary16 scale; activations as for {@link #INT8}. */
    Q4(32, 4);

    private final int blockInputs;
    private final int bits;

    WeightType(int blockInputs, int bits) {
        this.blockInputs = blockInputs;
        this.bits = bits;
    }

    /** {@return the inputs of one output that share a scale; 1 for types without scales} */
    public int blockInputs() {
        return blockInputs;
    }

    /** {@return the bits of a weight, its share of a scale not counted} */
    public int bits() {
        return bits;
    }

    /** {@return whether weights are integers with scales} */
    public boolean isQuantized() {
        return blockInputs > 1;
    }
}
