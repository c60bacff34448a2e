package dev.isthmus.engine.cache;

import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.Arena;

/**
 * One block of keys and values, counted by the caches that hold it. All but its data belongs to the {@link BlockPool}
 * and is read and written under the pool's lock.
 */
final class CacheBlock {

    private final Tensor data;
    /** Null where the memory is freed with another owner's arena. */
    private final Arena arena;
    /** The number of caches that hold it; a block of a finished text has none. */
    int references = 1;
    /** What it is found by; null while it is not to be found. */
    BlockPool.Key key;
    /** What the blocks after it name it by. */
    long id;
    /** The neighbors in the list of blocks that no cache holds. */
    CacheBlock previous;
    CacheBlock next;

    /** A block that one cache holds. */
    CacheBlock(Tensor data, Arena arena) {
        this.data = data;
        this.arena = arena;
    }

    Tensor data() {
        return data;
    }

    void free() {
        if (arena != null) {
            arena.close();
        }
    }
}
