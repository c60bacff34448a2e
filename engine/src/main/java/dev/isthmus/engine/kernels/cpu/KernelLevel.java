package dev.isthmus.engine.kernels.cpu;

/** The instruction sets that libisthmus has its kernels compiled for; the codes are those of {@code isthmus.h}. */
public enum KernelLevel {
    /** What every CPU of the architecture has. */
    BASELINE,
    /** x86-64 with AVX2 and FMA. */
    AVX2,
    /** x86-64 with AVX-512 F, BW, DQ and VL. */
    AVX512,
    /** arm64. */
    NEON,
    /** x86-64 with AVX-512 F, BW, DQ, VL and VNNI. */
    VNNI;

    /** The level's number in {@code isthmus.h}. */
    public int code() {
        return ordinal();
    }

    /** The level of a number in {@code isthmus.h}. */
    public static KernelLevel of(int code) {
        return values()[code];
    }
}
