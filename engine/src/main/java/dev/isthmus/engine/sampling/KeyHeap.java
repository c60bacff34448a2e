package dev.isthmus.engine.sampling;

/**
 * A heap of keys with the least on top. A key holds a float and an id and orders by the float, then by the lower id.
 * Used by one thread.
 */
final class KeyHeap {

    private final long[] keys;
    private int size;

    /** Makes a heap of the first {@code size} keys, in their own array. */
    KeyHeap(long[] keys, int size) {
        this.keys = keys;
        this.size = size;
        for (int at = size / 2 - 1; at >= 0; at--) {
            siftDown(at, keys[at]);
        }
    }

    /** The {@code n} largest keys of some values, 1 ≤ n ≤ values, found in {@code keys}. */
    static KeyHeap largest(float[] values, int n, long[] keys) {
        for (int id = 0; id < n; id++) {
            keys[id] = key(values[id], id);
        }
        KeyHeap heap = new KeyHeap(keys, n);
        float least = values[id(heap.least())];
        for (int id = n; id < values.length; id++) {
            // Of equal values the later id has the smaller key.
            if (values[id] > least) {
                heap.siftDown(0, key(values[id], id));
                least = values[id(heap.least())];
            }
        }
        return heap;
    }

    /** The key of a value, which is not NaN, and an id ≥ 0. 0 and −0 are the same value. */
    static long key(float value, int id) {
        int bits = Float.floatToRawIntBits(value + 0f);
        return (long) (bits ^ bits >> 31 & Integer.MAX_VALUE) << 32 | Integer.MAX_VALUE - id;
    }

    /** The id in a key. */
    static int id(long key) {
        return Integer.MAX_VALUE - (int) key;
    }

    int size() {
        return size;
    }

    /** The least key. */
    long least() {
        return keys[0];
    }

    /** Removes the least key and returns it. */
    long takeLeast() {
        long least = keys[0];
        size--;
        siftDown(0, keys[size]);
        return least;
    }

    private void siftDown(int from, long key) {
        int at = from;
        while (2 * at + 1 < size) {
            int child = 2 * at + 1;
            if (child + 1 < size && keys[child + 1] < keys[child]) {
                child++;
            }
            if (keys[child] >= key) {
                break;
            }
            keys[at] = keys[child];
            at = child;
        }
        keys[at] = key;
    }
}
