package dev.isthmus.engine.tokenizer;

import java.util.Arrays;
import java.util.Comparator;
import java.util.concurrent.ThreadLocalRandom;
import java.util.stream.IntStream;

/**
 * What two neighbouring tokens merge into, and how early: an open-addressing table from pairs of ids. Filled while
 * files are read, then only read.
 */
final class MergeTable {

    /** No such merge. */
    static final long NONE = -1;

    private final long[] pairs;
    private final long[] merges;
    private final int shift;
    // Drawn anew each time: with a known one a file could put all its merges into one slot.
    private final long multiplier = ThreadLocalRandom.current().nextLong() | 1;

    /** Makes an empty one with room for a number of merges. */
    MergeTable(int capacity) {
        int bits = 33 - Integer.numberOfLeadingZeros(Math.max(capacity, 8));
        pairs = new long[1 << bits];
        merges = new long[1 << bits];
        shift = 64 - bits;
        Arrays.fill(merges, NONE);
    }

    /** Adds a merge; one of the same pair is replaced, as in Hugging Face tokenizers. */
    void put(int left, int right, int rank, int merged) {
        long pair = pair(left, right);
        int slot = slot(pair);
        pairs[slot] = pair;
        merges[slot] = (long) rank << 32 | merged;
    }

    /** The merge of two tokens, rank in the upper 32 bits and the id of the result in the lower; or {@link #NONE}. */
    long get(int left, int right) {
        return merges[slot(pair(left, right))];
    }

    /** The pairs, the one that merges earliest first; the left token in the upper 32 bits, the right one in the lower. */
    long[] inOrder() {
        return IntStream.range(0, pairs.length).filter(slot -> merges[slot] != NONE).boxed()
                .sorted(Comparator.comparingLong(slot -> merges[slot])).mapToLong(slot -> pairs[slot]).toArray();
    }

    private static long pair(int left, int right) {
        return (long) left << 32 | right;
    }

    private int slot(long pair) {
        int mask = pairs.length - 1;
        int slot = (int) (pair * multiplier >>> shift);
        while (merges[slot] != NONE && pairs[slot] != pair) {
            slot = slot + 1 & mask;
        }
        return slot;
    }
}
