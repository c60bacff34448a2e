package dev.isthmus.engine.tensor;

/** The element type of a {@link Tensor}. */
public enum DType {
    /** IEEE 754 binary64; activations of the reference kernels. */
    F64(8),
    /** IEEE 754 binary32. */
    F32(4),
    /** IEEE 754 binary16. */
    F16(2),
    /** The upper half of a binary32. */
    BF16(2),
    /** Bytes, whose scales lie beside them; only in a cache. */
    INT8(1);

    private final int bytes;

    DType(int bytes) {
        this.bytes = bytes;
    }

    /** The size of one element in bytes. */
    public int bytes() {
        return bytes;
    }
}
