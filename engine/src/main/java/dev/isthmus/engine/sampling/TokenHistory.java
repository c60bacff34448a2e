package dev.isthmus.engine.sampling;

import java.util.Arrays;

/**
 * The tokens before the one that is chosen.
 *
 * @param ids begins with them; may be longer, and is not changed while this is in use
 * @param length how many there are
 * @param promptLength how many of them were not generated
 */
public record TokenHistory(int[] ids, int length, int promptLength) {

    /** How many were generated. */
    int generated() {
        return length - promptLength;
    }

    /** A copy of all of them. */
    public int[] toArray() {
        return Arrays.copyOf(ids, length);
    }
}
