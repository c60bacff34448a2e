package dev.isthmus.engine.sampling;

import dev.isthmus.engine.collections.LongHeap;

/** Pairs of a float and a token id in one long, which orders by the float, then by the lower id. */
final class LogitKeys {

    private LogitKeys() {}

    /** The key of a value, which is not NaN, and an id ≥ 0. 0 and −0 are the same value. */
    static long key(float value, int id) {
        int bits = Float.floatToRawIntBits(value + 0f);
        return (long) (bits ^ bits >> 31 & Integer.MAX_VALUE) << 32 | Integer.MAX_VALUE - id;
    }

    /** The id in a key. */
    static int id(long key) {
        return Integer.MAX_VALUE - (int) key;
    }

    /** The {@code n} largest keys of some values, 1 ≤ n ≤ values, found in {@code keys}. */
    static LongHeap largest(float[] values, int n, long[] keys) {
        for (int id = 0; id < n; id++) {
            keys[id] = key(values[id], id);
        }
        LongHeap heap = new LongHeap(keys, n);
        float least = values[id(heap.least())];
        for (int id = n; id < values.length; id++) {
            // Of equal values the later id has the smaller key.
            if (values[id] > least) {
                heap.replaceLeast(key(values[id], id));
                least = values[id(heap.least())];
            }
        }
        return heap;
    }
}
