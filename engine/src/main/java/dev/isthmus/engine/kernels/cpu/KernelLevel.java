package dev.isthmus.engine.kernels.cpu;

import java.util.Arrays;

/** The instruction sets that libisthmus has its kernels compiled for; the codes are those of {@code isthmus.h}. */
public enum KernelLevel {
    /** What every CPU of the architecture has. */
    BASELINE(0),
    /** x86-64 with AVX2 and FMA. */
    AVX2(1),
    /** x86-64 with AVX-512 F, BW, DQ and VL. */
    AVX512(2),
    /** arm64. */
    NEON(3),
    /** x86-64 with AVX-512 F, BW, DQ, VL and VNNI. */
    VNNI(4);

    private final int code;

    KernelLevel(int code) {
        this.code = code;
    }

    /** The level's number in {@code isthmus.h}. */
    public int code() {
        return code;
    }

    /** The level of a number in {@code isthmus.h}. */
    public static KernelLevel of(int code) {
        return Arrays.stream(values()).filter(level -> level.code == code).findFirst()
                .orElseThrow(() -> new IllegalArgumentException("no kernel level has the number " + code));
    }
}
