package dev.isthmus.engine.sampling;

/**
 * The SplitMix64 generator (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014; constants
 * of Vigna's splitmix64.c). Written out here because no specification fixes what the JDK's own generators of this
 * kind return: the same seed must give the same text on each JDK.
 */
final class SplitMix64 {

    private long state;

    SplitMix64(long seed) {
        state = seed;
    }

    /** What the next number is made from. */
    long state() {
        return state;
    }

    /** The next 64 bits. */
    long nextLong() {
        state += 0x9E3779B97F4A7C15L;
        long z = (state ^ state >>> 30) * 0xBF58476D1CE4E5B9L;
        z = (z ^ z >>> 27) * 0x94D049BB133111EBL;
        return z ^ z >>> 31;
    }

    /** The next number in [0, 1): the upper 53 bits of {@link #nextLong} times 2^-53. */
    double nextDouble() {
        return (nextLong() >>> 11) * 0x1p-53;
    }
}
