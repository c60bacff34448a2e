package dev.isthmus.engine.cache;

import dev.isthmus.engine.errors.ContextFullException;
import dev.isthmus.engine.errors.InvalidInputException;
import dev.isthmus.engine.tensor.DType;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * The keys and values of one sequence's past positions, in blocks of {@link #BLOCK_POSITIONS} positions that are
 * allocated when the sequence reaches them. Within a block both products of attention read what they need in order.
 *
 * <p>Caches of one {@link BlockPool} may have blocks in common; one that writes where another reads takes a copy first.
 *
 * <p>Not safe for use by several threads at once.
 */
public final class KvCache implements AutoCloseable {

    /** B, the positions of a block. */
    public static final int BLOCK_POSITIONS = 64;

    private final BlockLayout layout;
    private final int context;
    private final BlockPool pool;
    private final String domain;
    private final ArrayList<CacheBlock> blocks = new ArrayList<>();
    private int length;

    /**
     * An empty cache.
     *
     * @param layers the model's layers
     * @param heads H
     * @param headChannels D
     * @param context the most positions it may hold
     * @param type the elements: F64, F32, F16 or INT8; also BF16 on a device
     * @param pool what the blocks come from
     */
    public KvCache(int layers, int heads, int headChannels, int context, DType type, BlockPool pool) {
        this(new BlockLayout(layers, heads, headChannels, type), context, pool, "");
    }

    private KvCache(BlockLayout layout, int context, BlockPool pool, String domain) {
        this.layout = layout;
        this.context = context;
        this.pool = pool;
        this.domain = domain;
    }

    /** As the other, with blocks that are freed with {@code arena}, so that the cache need not be closed. */
    public KvCache(int layers, int heads, int headChannels, int context, DType type, Arena arena) {
        this(layers, heads, headChannels, context, type, BlockPool.in(BlockMemory.HOST, arena));
    }

    /** An empty cache like this one that takes over blocks from others of a domain only, and they from it. */
    public KvCache inDomain(String name) {
        return new KvCache(layout, context, pool, name);
    }

    /** A cache of the same positions, which has their blocks in common with this one. */
    public KvCache fork() {
        KvCache fork = new KvCache(layout, context, pool, domain);
        List<CacheBlock> inUse = blocks.subList(0, Math.ceilDiv(length, BLOCK_POSITIONS));
        fork.blocks.addAll(inUse);
        inUse.forEach(pool::retain);
        fork.length = length;
        return fork;
    }

    /** The positions whose keys and values are in the cache. */
    public int length() {
        return length;
    }

    /** The most positions that it may hold. */
    public int context() {
        return context;
    }

    /** The type of the elements. */
    public DType type() {
        return layout.type();
    }

    /** The model's layers. */
    public int layers() {
        return layout.layers();
    }

    /** H. */
    public int heads() {
        return layout.heads();
    }

    /** D. */
    public int headChannels() {
        return layout.headChannels();
    }

    /**
     * Sees to it that {@code count} more positions can be written. Changes nothing that a reader sees.
     *
     * @throws ContextFullException if they do not fit into the context
     */
    public void reserve(int count) {
        if (count > context - length) {
            throw new ContextFullException(context, length, count);
        }
        int end = Math.ceilDiv(length + count, BLOCK_POSITIONS);
        // First, as a block for which the list then had no place would never be released.
        blocks.ensureCapacity(end);
        for (int i = length / BLOCK_POSITIONS; i < end; i++) {
            if (i == blocks.size()) {
                blocks.add(pool.allocate(type(), layout.elements()));
            } else if (!pool.claim(blocks.get(i))) {
                replace(i, i * BLOCK_POSITIONS < length ? pool.copy(blocks.get(i))
                        : pool.allocate(type(), layout.elements()));
            }
        }
    }

    private void replace(int index, CacheBlock block) {
        pool.release(blocks.set(index, block));
    }

    /**
     * Takes over positions behind the last, as far as other caches of the pool have them of the same text in whole
     * blocks.
     *
     * @param ids the text, of which the cache holds the beginning
     * @param limit the most positions that the cache may hold then
     * @return the positions taken over
     */
    public int adopt(int[] ids, int limit) {
        int before = length;
        blocks.ensureCapacity(limit / BLOCK_POSITIONS);
        for (int i = length / BLOCK_POSITIONS; (i + 1) * BLOCK_POSITIONS <= limit; i++) {
            CacheBlock found = pool.find(before(i), domain, ids, i * BLOCK_POSITIONS);
            if (found == null) {
                break;
            }
            if (i == blocks.size()) {
                blocks.add(found);
            } else {
                replace(i, found);
            }
            length = (i + 1) * BLOCK_POSITIONS;
        }
        return length - before;
    }

    /**
     * Lets other caches of the pool take over the blocks that are full.
     *
     * @param ids the text, of which the cache holds the beginning
     * @param from the positions up to which it has been called before
     */
    public void publish(int[] ids, int from) {
        for (int i = from / BLOCK_POSITIONS; i < length / BLOCK_POSITIONS; i++) {
            CacheBlock block = blocks.get(i);
            CacheBlock known = pool.publish(block, before(i), domain, ids, i * BLOCK_POSITIONS);
            if (known != block) {
                replace(i, known);
            }
        }
    }

    private CacheBlock before(int index) {
        return index == 0 ? null : blocks.get(index - 1);
    }

    /** Takes {@code count} positions that were written after the last as part of the cache. */
    public void advance(int count) {
        if (count < 0 || length + count > (long) blocks.size() * BLOCK_POSITIONS) {
            throw new IllegalArgumentException("advance by " + count + " from " + length + " with " + blocks.size()
                    + " blocks reserved");
        }
        length += count;
    }

    /**
     * Forgets all but the first {@code newLength} positions; their blocks stay allocated.
     *
     * @throws InvalidInputException if there are fewer
     */
    public void rewind(int newLength) {
        if (newLength < 0 || newLength > length) {
            throw new InvalidInputException("rewind: the session holds " + length + " tokens, so it can go back to 0.."
                    + length + ", not to " + newLength);
        }
        length = newLength;
    }

    /** The number of blocks allocated. */
    public int blockCount() {
        return blocks.size();
    }

    /** Block {@code index}, its elements as one row. */
    public Tensor block(int index) {
        return blocks.get(index).data();
    }

    /** The bytes of a block. */
    public long blockBytes() {
        return layout.elements() * type().bytes();
    }

    /**
     * Copies the keys and values of a block's positions, with zeros where it has room for more.
     *
     * @param into {@link #blockBytes} bytes
     */
    public void readBlock(int index, MemorySegment into) {
        pool.memory().read(block(index), into);
        for (int slot = Math.clamp(length - (long) index * BLOCK_POSITIONS, 0, BLOCK_POSITIONS);
                slot < BLOCK_POSITIONS; slot++) {
            pool.memory().clear(this, into, slot);
        }
    }

    /**
     * Adds {@code count} positions whose keys and values are those of a block that {@link #readBlock} gave.
     *
     * @throws IllegalArgumentException unless the cache holds whole blocks before
     */
    public void writeBlock(MemorySegment from, int count) {
        if (length % BLOCK_POSITIONS != 0 || count > BLOCK_POSITIONS) {
            throw new IllegalArgumentException("a block of " + count + " positions behind " + length);
        }
        reserve(count);
        pool.memory().write(from, block(length / BLOCK_POSITIONS));
        length += count;
    }

    /** Where layer {@code layer} begins in a block, in elements. */
    public long layerOffset(int layer) {
        return layout.layerOffset(layer);
    }

    /** Where the keys of a layer's head begin in a block, in elements; but for INT8, they are [D, B]. */
    public long keys(int layer, int head) {
        return layout.keys(layer, head);
    }

    /** The keys of a layer's head at the first {@code positions} positions, [positions, D]; from a device's memory too. */
    public double[] readKeys(int layer, int head, int positions) {
        return pool.memory().keys(this, layer, head, positions);
    }

    /** Where elements lie in a block in the process's own memory. */
    BlockLayout layout() {
        return layout;
    }

    /** The keys of a layer's head in block {@code index}, [D, B]. */
    public void readKeys(int index, int layer, int head, float[] into) {
        layout.readKeys(block(index).data(), layer, head, into);
    }

    /** The values of a layer's head in block {@code index}, [B, D]. */
    public void readValues(int index, int layer, int head, float[] into) {
        layout.readValues(block(index).data(), layer, head, into);
    }

    /** Channel {@code d} of the key of a cached position. */
    public double key(int layer, int head, int position, int d) {
        return layout.key(data(position), layer, head, position % BLOCK_POSITIONS, d);
    }

    /** Channel {@code d} of the value of a cached position. */
    public double value(int layer, int head, int position, int d) {
        return layout.value(data(position), layer, head, position % BLOCK_POSITIONS, d);
    }

    /** Writes a position's key and value of one head, D channels each, as the cache's type rounds them. */
    public void set(int layer, int head, int position, double[] key, double[] value) {
        layout.set(data(position), layer, head, position % BLOCK_POSITIONS, key, value);
    }

    private MemorySegment data(int position) {
        return block(position / BLOCK_POSITIONS).data();
    }

    /** The bytes of the blocks, those included that other caches hold too. */
    public long bytes() {
        return blocks.size() * blockBytes();
    }

    /** Releases all blocks, the last one first; the cache is empty then. */
    @Override
    public void close() {
        for (int i = blocks.size() - 1; i >= 0; i--) {
            pool.release(blocks.get(i));
        }
        blocks.clear();
        length = 0;
    }
}
