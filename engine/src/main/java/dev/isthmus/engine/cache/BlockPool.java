package dev.isthmus.engine.cache;

import dev.isthmus.engine.errors.BackendException;
import dev.isthmus.engine.errors.OutOfMemoryException;
import dev.isthmus.engine.memory.MemoryBudget;
import dev.isthmus.engine.tensor.DType;
import dev.isthmus.engine.tensor.Place;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.Arena;
import java.nio.IntBuffer;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/**
 * The blocks of one model's caches. A block is counted by the caches that hold it, and one that several hold is never
 * written.
 *
 * <p>Where prefixes are shared, a full block can be found by the tokens of its positions and of all before them. Where
 * finished texts are kept, a block stays when the last cache releases it, until its memory is needed: then blocks are evicted
 * in the order in which they were released (LRU). Caches release a text's last block first, so that a block is evicted
 * before those that lead to it. Any number of threads may use it.
 */
public final class BlockPool implements AutoCloseable, MemoryBudget.Reclaimable {

    /**
     * Where nobody set a limit, finished texts may take this part of what all models share, at least
     * {@link #MIN_FINISHED}: a process should not grow to the size of its machine for texts that may never come again.
     */
    private static final int FINISHED_SHARE = 8;
    private static final long MIN_FINISHED = 256L << 20;

    private final BlockMemory memory;
    /** Null where each block has an arena of its own. */
    private final Arena arena;
    private final PrefixSharing sharing;
    private final CacheLimit limit;
    private final long limitBytes;
    /** Null where the blocks take no memory of the process's. */
    private final MemoryBudget budget;
    private final Map<Key, CacheBlock> found = new HashMap<>();
    private final FinishedBlocks finished = new FinishedBlocks();
    private long lastId;
    private long bytes;
    private long takenOver;
    private boolean closed;

    /** The text of a block: its tokens, and the block before it by its id; 0 and whose it is for a first one. */
    record Key(long before, String domain, IntBuffer tokens) {}

    /**
     * An empty pool that shares the process's memory with others.
     *
     * @param sharing whose blocks a cache may take over. Right where keys and values do not depend on what else was
     *     computed with them
     * @param limit how much memory all blocks may take
     */
    public BlockPool(BlockMemory memory, PrefixSharing sharing, CacheLimit limit, MemoryBudget budget) {
        this(memory, null, sharing, limit, memory.place() == Place.HOST ? budget : null);
        if (this.budget != null && sharing == PrefixSharing.KEPT) {
            budget.register(this);
        }
    }

    /** An empty pool that keeps no finished texts. */
    BlockPool(BlockMemory memory, boolean sharesPrefixes, CacheLimit limit) {
        this(memory, sharesPrefixes ? PrefixSharing.HELD : PrefixSharing.NONE, limit, MemoryBudget.PROCESS);
    }

    private BlockPool(BlockMemory memory, Arena arena, PrefixSharing sharing, CacheLimit limit, MemoryBudget budget) {
        this.memory = memory;
        this.arena = arena;
        this.sharing = sharing;
        this.limit = limit;
        this.limitBytes = limit.isExplicit() ? limit.most() : memory.automaticLimit();
        this.budget = budget;
    }

    /** A pool for caches that need not be closed: blocks are freed with {@code arena}, and none is found by its text. */
    public static BlockPool in(BlockMemory memory, Arena arena) {
        return new BlockPool(memory, arena, PrefixSharing.NONE, CacheLimit.AUTOMATIC, null);
    }

    /** Where the blocks lie. */
    BlockMemory memory() {
        return memory;
    }

    /** The bytes of all blocks that some cache holds, each counted once. */
    public synchronized long bytes() {
        return bytes - finished.bytes();
    }

    /** The bytes of the blocks of finished texts. */
    public long finishedBytes() {
        return finished.bytes();
    }

    /** The positions that caches have taken over instead of computing them, all together. */
    public synchronized long takenOver() {
        return takenOver;
    }

    /** The bytes that blocks could still take; those of finished texts count as free. */
    public long availableBytes() {
        long shared = budget == null ? Long.MAX_VALUE : budget.available();
        return Math.min(shared, Math.max(0, limitBytes - bytes()));
    }

    /**
     * A zeroed block with one holder.
     *
     * @throws OutOfMemoryException if all together would take more than they may
     */
    CacheBlock allocate(DType type, long elements) {
        long size = elements * type.bytes();
        takeWithinLimit(size);
        if (budget != null && !budget.take(size)) {
            add(-size);
            throw new OutOfMemoryException("the keys and values of the model's sessions may take " + budget.capacity()
                    + " bytes together with all models of the process, as weights and the Java heap leave them, and"
                    + " would take more; close sessions or models, use a smaller batch or a smaller type of cache or of"
                    + " weights, a smaller Java heap, or give the process more memory", null);
        }
        try {
            return arena != null ? new CacheBlock(memory.allocate(arena, type, elements), null)
                    : inItsOwnArena(type, elements);
        } catch (Throwable failed) {
            add(-size);
            giveBack(size);
            throw failed;
        }
    }

    private synchronized void add(long size) {
        bytes += size;
    }

    private void giveBack(long size) {
        if (budget != null) {
            budget.giveBack(size);
        }
    }

    private void takeWithinLimit(long size) {
        CacheBlock dropped = null;
        boolean fits;
        synchronized (this) {
            fits = bytes + size <= limitBytes;
            while (!fits && finished.first() != null) {
                dropped = drop(finished.first(), dropped);
                fits = bytes + size <= limitBytes;
            }
            bytes += fits ? size : 0;
        }
        free(dropped);
        if (!fits) {
            throw new OutOfMemoryException("the keys and values of the model's sessions may take " + limitBytes
                    + " bytes and would take more; close sessions, use a smaller batch or a smaller type of cache,"
                    + " or raise ModelOptions.withCacheLimit", null);
        }
    }

    private CacheBlock inItsOwnArena(DType type, long elements) {
        while (true) {
            Arena own = Arena.ofShared();
            try {
                return new CacheBlock(memory.allocate(own, type, elements), own);
            } catch (OutOfMemoryError | BackendException full) {
                own.close();
                // A device's memory has no budget here: it says itself when there is no more.
                if (!reclaim(1)) {
                    throw full;
                }
            } catch (Throwable failed) {
                own.close();
                throw failed;
            }
        }
    }

    CacheBlock copy(CacheBlock block) {
        Tensor data = block.data();
        CacheBlock copy = allocate(data.dtype(), data.shape().elements());
        memory.copy(data, copy.data());
        return copy;
    }

    synchronized void retain(CacheBlock block) {
        if (block.references++ == 0) {
            finished.remove(block);
        }
    }

    void release(CacheBlock block) {
        CacheBlock dropped = null;
        synchronized (this) {
            block.references--;
            if (block.references > 0) {
                return;
            }
            finished.add(block);
            if (block.key == null || sharing != PrefixSharing.KEPT || closed) {
                dropped = drop(block, null);
            }
            while (hasTooManyFinished()) {
                dropped = drop(finished.first(), dropped);
            }
        }
        free(dropped);
    }

    private boolean hasTooManyFinished() {
        return !limit.isExplicit() && finished.bytes() > MIN_FINISHED
                && finished.bytes() > (budget == null ? limitBytes : budget.capacity()) / FINISHED_SHARE;
    }

    /**
     * Takes a block that no cache holds out of the pool, before others that were.
     *
     * @return the block, to be freed with those after it once the lock is no longer held: a device has locks of its own
     */
    private CacheBlock drop(CacheBlock block, CacheBlock others) {
        finished.remove(block);
        withdraw(block);
        bytes -= block.data().bytes();
        block.next = others;
        return block;
    }

    private void free(CacheBlock dropped) {
        for (CacheBlock block = dropped; block != null; block = block.next) {
            block.free();
            giveBack(block.data().bytes());
        }
    }

    @Override
    public long reclaimableBytes() {
        return finishedBytes();
    }

    @Override
    public boolean reclaim(long wanted) {
        CacheBlock dropped = null;
        synchronized (this) {
            long before = bytes;
            while (before - bytes < wanted && finished.first() != null) {
                dropped = drop(finished.first(), dropped);
            }
        }
        free(dropped);
        return dropped != null;
    }

    /**
     * The block of ids[from, from + B) after block {@code before}, counted for the caller; null if there is none.
     *
     * @param domain whose texts are looked at; for a first block
     */
    synchronized CacheBlock find(CacheBlock before, String domain, int[] ids, int from) {
        if (sharing == PrefixSharing.NONE || before != null && before.key == null) {
            return null;
        }
        CacheBlock block = found.get(key(before, domain, ids, from));
        if (block != null) {
            retain(block);
            takenOver += KvCache.BLOCK_POSITIONS;
        }
        return block;
    }

    /**
     * Lets a full block, which holds ids[from, from + B), be found from now on.
     *
     * @return the block, or another of the same text that is already to be found, counted for the caller
     */
    synchronized CacheBlock publish(CacheBlock block, CacheBlock before, String domain, int[] ids, int from) {
        if (sharing == PrefixSharing.NONE || block.key != null || before != null && before.key == null) {
            return block;
        }
        Key key = key(before, domain, ids, from);
        CacheBlock other = found.get(key);
        if (other != null) {
            retain(other);
            return other;
        }
        block.key = key;
        block.id = ++lastId;
        found.put(key, block);
        return block;
    }

    /**
     * Whether the caller, who holds a block, may write it: then nobody finds it any more. A text that was gone back
     * from is kept like a finished one where there is room for another block.
     */
    synchronized boolean claim(CacheBlock block) {
        if (block.references > 1
                || block.key != null && sharing == PrefixSharing.KEPT && availableBytes() >= block.data().bytes()) {
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

    private static Key key(CacheBlock before, String domain, int[] ids, int from) {
        return new Key(before == null ? 0 : before.id, before == null ? domain : "",
                IntBuffer.wrap(Arrays.copyOfRange(ids, from, from + KvCache.BLOCK_POSITIONS)));
    }

    /** Frees the blocks of finished texts, and from now on every block that is released; idempotent. */
    @Override
    public void close() {
        synchronized (this) {
            closed = true;
        }
        reclaim(Long.MAX_VALUE);
        if (budget != null) {
            budget.unregister(this);
        }
    }
}
