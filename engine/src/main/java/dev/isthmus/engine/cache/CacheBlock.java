package dev.isthmus.engine.cache;

import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.concurrent.atomic.AtomicInteger;

/** One block of keys and values, held by the caches that have it in common and freed by the last of them. */
final class CacheBlock {

    private final Tensor data;
    /** Null where the memory belongs to somebody else. */
    private final Arena arena;
    private final AtomicInteger holders = new AtomicInteger(1);
    /** What {@link BlockPool} finds it by, under that's lock; null while it is not to be found. */
    BlockPool.Key key;
    /** What the blocks behind it name it by, under the pool's lock. */
    long id;

    /** A block with one holder. */
    CacheBlock(Tensor data, Arena arena) {
        this.data = data;
        this.arena = arena;
    }

    Tensor data() {
        return data;
    }

    boolean isShared() {
        return holders.get() > 1;
    }

    /** Counts one more holder; false if the last has gone. */
    boolean retain() {
        return holders.getAndUpdate(count -> count == 0 ? 0 : count + 1) > 0;
    }

    /** Counts one holder less; true if that was the last, who must free it. */
    boolean release() {
        return holders.decrementAndGet() == 0;
    }

    void free() {
        if (arena != null) {
            arena.close();
        }
    }
}
