package dev.isthmus.tools;

import java.util.Locale;

/** The types that weights can be kept in, and what one weight takes. */
enum WeightType {
    F32(4),
    F16(2),
    BF16(2),
    /** One byte, and a scale in F32 for some 200 weights. */
    INT8(1.02),
    /** Half a byte, and a scale in F16 for 32 weights. */
    Q4(0.56);

    private final double bytesEach;

    WeightType(double bytesEach) {
        this.bytesEach = bytesEach;
    }

    /** The bytes that so many weights take. */
    long bytes(long weights) {
        return Math.round(weights * bytesEach);
    }

    /** The name on the command line and in JSON. */
    String title() {
        return name().toLowerCase(Locale.ROOT);
    }
}
