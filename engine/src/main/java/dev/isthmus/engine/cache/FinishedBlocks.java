package dev.isthmus.engine.cache;

/**
 * The blocks that no cache holds any more, in the order in which they were released. The links lie in the blocks, so
 * that nothing is allocated when a cache closes because memory has run out. Used under its pool's lock.
 */
final class FinishedBlocks {

    private CacheBlock first;
    private CacheBlock last;
    /** Read without the lock, too. */
    private volatile long bytes;

    /** The bytes of all of them. */
    long bytes() {
        return bytes;
    }

    /** The least recently used one; null for none. */
    CacheBlock first() {
        return first;
    }

    void add(CacheBlock block) {
        block.previous = last;
        if (last == null) {
            first = block;
        } else {
            last.next = block;
        }
        last = block;
        bytes += block.data().bytes();
    }

    void remove(CacheBlock block) {
        if (block.previous == null) {
            first = block.next;
        } else {
            block.previous.next = block.next;
        }
        if (block.next == null) {
            last = block.previous;
        } else {
            block.next.previous = block.previous;
        }
        block.previous = null;
        block.next = null;
        bytes -= block.data().bytes();
    }
}
