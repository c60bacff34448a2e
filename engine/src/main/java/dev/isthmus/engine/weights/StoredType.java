package dev.isthmus.engine.weights;

/**
 * The element types of files: first those of safetensors, in the order of {@code Dtype} in the Rust library's
 * {@code tensor.rs} (0.8), which is also the order of rising alignment; then ggml's block types, which only GGUF has. A
 * block is {@value #GGML_BLOCK} elements that share a binary16 scale.
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
    U64(64),
    /** ggml's blocks of a scale and 32 integers from -8 to 7. */
    Q4_0(144),
    /** ggml's blocks of a scale, a minimum and 32 integers from 0 to 15. */
    Q4_1(160),
    /** ggml's blocks of a scale and 32 integers from -16 to 15. */
    Q5_0(176),
    /** ggml's blocks of a scale, a minimum and 32 integers from 0 to 31. */
    Q5_1(192),
    /** ggml's blocks of a scale and 32 integers from -128 to 127. */
    Q8_0(272);

    /** The elements of a block of ggml's block types. */
    public static final int GGML_BLOCK = 32;

    private final int bits;

    StoredType(int bits) {
        this.bits = bits;
    }

    /** The size of one element in bits, not always a multiple of 8; of ggml's block types that of a block. */
    public int bits() {
        return bits;
    }

    /** The bytes that some elements take, which must be whole bytes, and whole blocks of ggml's block types. */
    public long bytes(long elements) {
        return isBlocks() ? elements / GGML_BLOCK * (bits / 8) : elements * bits / 8;
    }

    /** Whether elements are stored in blocks with a common scale, as only GGUF files have them. */
    public boolean isBlocks() {
        return switch (this) {
            case Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 -> true;
            default -> false;
        };
    }

    /** Whether this is a type of safetensors files. */
    public boolean inSafetensors() {
        return !isBlocks();
    }

    /** Whether elements of this type can be read as F32. */
    public boolean readsAsF32() {
        return this == F32 || this == F16 || this == BF16 || isBlocks();
    }

    /** The type of safetensors files with this exact name; null if there is none. */
    public static StoredType named(String name) {
        for (StoredType type : values()) {
            if (type.inSafetensors() && type.name().equals(name)) {
                return type;
            }
        }
        return null;
    }
}
