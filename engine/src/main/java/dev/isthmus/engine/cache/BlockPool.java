package dev.isthmus.engine.cache;

import dev.isthmus.engine.errors.OutOfMemoryException;
import dev.isthmus.engine.tensor.DType;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.Arena;
import java.nio.IntBuffer;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;

/**
 * The blocks of one model's caches. A block is counted by its holders and freed when the last lets go of it; one that
 * several hold is never written.
 *
 * <p>Where prefixes are shared, a full block can be found by the tokens of its positions and of all before them. It is
 * found as long as somebody holds it: the pool itself holds none. Any number of threads may use it.
 */
public final class BlockPool {

    private final BlockMemory memory;
    /** Null where each block has an arena of its own. */
    private final Arena arena;
    private final boolean sharesPrefixes;
    private final CacheLimit limit;
    private final AtomicLong bytes = new AtomicLong();
    private final Map<Key, CacheBlock> found = new HashMap<>();
    private long lastId;

    /** The text of a block: its tokens, and the block before it by its id; 0 for none. */
    record Key(long before, IntBuffer tokens) {}

    /**
     * An empty pool.
     *
     * @param sharesPrefixes whether a cache may take over the blocks that another has of the same text. Right where
     *     keys and values do not depend on what else was computed with them
     * @param limit how much memory all blocks may take
     */
    public BlockPool(BlockMemory memory, boolean sharesPrefixes, CacheLimit limit) {
        this(memory, null, sharesPrefixes, limit);
    }

    private BlockPool(BlockMemory memory, Arena arena, boolean sharesPrefixes, CacheLimit limit) {
        this.memory = memory;
        this.arena = arena;
        this.sharesPrefixes = sharesPrefixes;
        this.limit = limit;
    }

    /** A pool for caches that need not be closed: blocks are freed with {@code arena}, and none is found by its text. */
    public static BlockPool in(BlockMemory memory, Arena arena) {
        return new BlockPool(memory, arena, false, CacheLimit.AUTOMATIC);
    }

    /** Where the blocks lie. */
    BlockMemory memory() {
        return memory;
    }

    /** The bytes of all blocks that somebody holds, each counted once. */
    public long bytes() {
        return bytes.get();
    }

    /** The bytes that blocks could still take. */
    public long availableBytes() {
        return Math.max(0, limit.bytes() - bytes.get());
    }

    /**
     * A zeroed block with one holder.
     *
     * @throws OutOfMemoryException if all together would take more than they may
     */
    CacheBlock allocate(DType type, long elements) {
        long size = elements * type.bytes();
        if (!limit.allows(bytes.addAndGet(size))) {
            bytes.addAndGet(-size);
            throw new OutOfMemoryException("the keys and values of the model's sessions may take " + limit
                    + " and would take more; close sessions, use a smaller batch or a smaller type of cache, or raise"
                    + " ModelOptions.withCacheLimit", null);
        }
        try {
            return arena != null ? new CacheBlock(memory.allocate(arena, type, elements), null)
                    : inItsOwnArena(type, elements);
        } catch (Throwable failed) {
            bytes.addAndGet(-size);
            throw failed;
        }
    }

    private CacheBlock inItsOwnArena(DType type, long elements) {
        Arena own = Arena.ofShared();
        try {
            return new CacheBlock(memory.allocate(own, type, elements), own);
        } catch (Throwable failed) {
            own.close();
            throw failed;
        }
    }

    CacheBlock copy(CacheBlock block) {
        Tensor data = block.data();
        CacheBlock copy = allocate(data.dtype(), data.shape().elements());
        memory.copy(data, copy.data());
        return copy;
    }

    void release(CacheBlock block) {
        if (block.release()) {
            synchronized (this) {
                withdraw(block);
            }
            bytes.addAndGet(-block.data().bytes());
            block.free();
        }
    }

    /** The block of ids[from, from + B) behind block {@code before}, counted for the caller; null if there is none. */
    synchronized CacheBlock find(CacheBlock before, int[] ids, int from) {
        if (!sharesPrefixes || before != null && before.key == null) {
            return null;
        }
        CacheBlock block = found.get(key(before, ids, from));
        return block != null && block.retain() ? block : null;
    }

    /**
     * Lets a full block, which holds ids[from, from + B), be found from now on.
     *
     * @return the block, or another of the same text that is already to be found, counted for the caller
     */
    synchronized CacheBlock publish(CacheBlock block, CacheBlock before, int[] ids, int from) {
        if (!sharesPrefixes || block.key != null || before != null && before.key == null) {
            return block;
        }
        Key key = key(before, ids, from);
        CacheBlock other = found.get(key);
        if (other != null && other.retain()) {
            return other;
        }
        block.key = key;
        block.id = ++lastId;
        found.put(key, block);
        return block;
    }

    /** Whether the caller, who holds a block, may write it: then nobody finds it any more. */
    synchronized boolean claim(CacheBlock block) {
        if (block.isShared()) {
            return false;
        }
        withdraw(block);
        return true;
    }

    private void withdraw(CacheBlock block) {
        if (block.key != null) {
            found.remove(block.key, block);
            block.key = null;
        }
    }

    private static Key key(CacheBlock before, int[] ids, int from) {
        return new Key(before == null ? 0 : before.id,
                IntBuffer.wrap(Arrays.copyOfRange(ids, from, from + KvCache.BLOCK_POSITIONS)));
    }
}
