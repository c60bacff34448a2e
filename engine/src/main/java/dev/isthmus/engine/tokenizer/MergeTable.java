package dev.isthmus.engine.tokenizer;

import java.util.Arrays;
import java.util.BitSet;
import java.util.concurrent.ThreadLocalRandom;
import java.util.stream.IntStream;

/**
 * What two neighbouring tokens merge into, and how early: merges by rank, with an open-addressing table from pairs of
 * ids to ranks over them. Filled while files are read, then only read.
 */
final class MergeTable {

    /** No such merge. */
    static final long NONE = -1;

    // Drawn anew each time: with a known one a file could put all its merges into one slot.
    private final long multiplier = ThreadLocalRandom.current().nextLong() | 1;

    private long[] pairs;
    private int[] merged;
    private int size;
    /** One more than a rank, or 0. */
    private int[] slots;
    private int shift;

    /** Makes an empty one, with room for about so many merges before it grows. */
    MergeTable(int expected) {
        pairs = new long[Math.max(expected, 8)];
        merged = new int[pairs.length];
        makeSlots();
    }

    /** How many merges were added. */
    int size() {
        return size;
    }

    /** Adds the merge of the next rank; an earlier one of the same pair is replaced, as in Hugging Face tokenizers. */
    void add(int left, int right, int result) {
        if (size == pairs.length) {
            pairs = Arrays.copyOf(pairs, 2 * size);
            merged = Arrays.copyOf(merged, 2 * size);
            makeSlots();
        }
        pairs[size] = pair(left, right);
        merged[size] = result;
        slots[slot(pairs[size])] = ++size;
    }

    /** The merge of two tokens, rank in the upper 32 bits and the id of the result in the lower; or {@link #NONE}. */
    long get(int left, int right) {
        int rank = slots[slot(pair(left, right))] - 1;
        return rank < 0 ? NONE : (long) rank << 32 | merged[rank];
    }

    /** The tokens that merges make. */
    BitSet made() {
        BitSet made = new BitSet();
        IntStream.of(merged).limit(size).forEach(made::set);
        return made;
    }

    /** The pairs, the one that merges earliest first; the left token in the upper 32 bits, the right one in the lower. */
    long[] inOrder() {
        return IntStream.range(0, size).filter(rank -> slots[slot(pairs[rank])] == rank + 1)
                .mapToLong(rank -> pairs[rank]).toArray();
    }

    private static long pair(int left, int right) {
        return (long) left << 32 | right;
    }

    /** The slot of a pair's merge, or the free one where it belongs. */
    private int slot(long pair) {
        int mask = slots.length - 1;
        int slot = (int) (pair * multiplier >>> shift);
        while (slots[slot] != 0 && pairs[slots[slot] - 1] != pair) {
            slot = slot + 1 & mask;
        }
        return slot;
    }

    /** Slots for twice as many merges as there is room for, at least. */
    private void makeSlots() {
        int bits = 33 - Integer.numberOfLeadingZeros(pairs.length);
        slots = new int[1 << bits];
        shift = 64 - bits;
        for (int rank = 0; rank < size; rank++) {
            slots[slot(pairs[rank])] = rank + 1;
        }
    }
}
