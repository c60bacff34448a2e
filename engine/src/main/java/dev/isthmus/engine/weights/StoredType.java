package dev.isthmus.engine.weights;

/**
 * The element types that a safetensors file can hold, in the order of {@code Dtype} in the Rust library's
 * {@code tensor.rs} (0.8), which is also the order of rising alignment.
 */
public enum StoredType {
    /** A truth value in one byte. */
    BOOL(8),
    /** OCP MX FP4. */
    F4(4),
    /** OCP MX FP6 with 2 exponent bits. */
    F6_E2M3(6),
    /** OCP MX FP6 with 3 exponent bits. */
    F6_E3M2(6),
    /** Unsigned byte. */
    U8(8),
    /** Signed byte. */
    I8(8),
    /** FP8 with 5 exponent bits. */
    F8_E5M2(8),
    /** FP8 with 4 exponent bits. */
    F8_E4M3(8),
    /** OCP MX scale: 8 exponent bits. */
    F8_E8M0(8),
    /** FP8 with 4 exponent bits, finite, unsigned zero. */
    F8_E4M3FNUZ(8),
    /** FP8 with 5 exponent bits, finite, unsigned zero. */
    F8_E5M2FNUZ(8),
    /** Signed 16-bit integer. */
    I16(16),
    /** Unsigned 16-bit integer. */
    U16(16),
    /** IEEE 754 binary16. */
    F16(16),
    /** The upper half of a binary32. */
    BF16(16),
    /** Signed 32-bit integer. */
    I32(32),
    /** Unsigned 32-bit integer. */
    U32(32),
    /** IEEE 754 binary32. */
    F32(32),
    /** Two binary32: real and imaginary part. */
    C64(64),
    /** IEEE 754 binary64. */
    F64(64),
    /** Signed 64-bit integer. */
    I64(64),
    /** Unsigned 64-bit integer. */
    U64(64);

    private final int bits;

    StoredType(int bits) {
        this.bits = bits;
    }

    /** The size of one element in bits; not always a multiple of 8. */
    public int bits() {
        return bits;
    }

    /** The type with this exact name; null if there is none. */
    static StoredType named(String name) {
        for (StoredType type : values()) {
            if (type.name().equals(name)) {
                return type;
            }
        }
        return null;
    }
}
