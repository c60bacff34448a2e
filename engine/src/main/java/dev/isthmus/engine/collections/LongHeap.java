package dev.isthmus.engine.collections;

import java.util.Arrays;

/** A binary heap of longs with the least on top. It grows as keys are added. Used by one thread. */
public final class LongHeap {

    private long[] keys;
    private int size;

    /**
     * Makes an empty heap.
     *
     * @param capacity how many keys it holds before it grows, at least 1
     */
    public LongHeap(int capacity) {
        this(new long[capacity], 0);
    }

    /**
     * Makes a heap of the first {@code size} keys, in their own array.
     *
     * @param keys the keys, which the heap reorders
     */
    public LongHeap(long[] keys, int size) {
        this.keys = keys;
        this.size = size;
        for (int at = size / 2 - 1; at >= 0; at--) {
            siftDown(at, keys[at]);
        }
    }

    /** {@return the number of keys} */
    public int size() {
        return size;
    }

    /** Removes all keys. */
    public void clear() {
        size = 0;
    }

    /** {@return the least key of a heap that is not empty} */
    public long least() {
        return keys[0];
    }

    /** Adds a key. */
    public void add(long key) {
        if (size == keys.length) {
            keys = Arrays.copyOf(keys, 2 * size);
        }
        int at = size++;
        while (at > 0) {
            int parent = (at - 1) / 2;
            if (keys[parent] <= key) {
                break;
            }
            keys[at] = keys[parent];
            at = parent;
        }
        keys[at] = key;
    }

    /** Removes the least key and returns it. */
    public long takeLeast() {
        long least = keys[0];
        size--;
        siftDown(0, keys[size]);
        return least;
    }

    /** Replaces the least key by another. */
    public void replaceLeast(long key) {
        siftDown(0, key);
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
