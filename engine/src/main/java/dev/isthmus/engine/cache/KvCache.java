package dev.isthmus.engine.cache;

import dev.isthmus.engine.errors.ContextFullException;
import dev.isthmus.engine.errors.InvalidInputException;
import dev.isthmus.engine.tensor.DType;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/**
 * The keys and values of one sequence's past positions, in blocks of {@link #BLOCK_POSITIONS} positions that are
 * allocated when the sequence reaches them. A block holds, for each layer in turn, keys [H, D, B] and then values
 * [H, B, D'], D' being D rounded up to a multiple of 16: both products of attention then read what they need in order.
 * In a device's memory a block has the same size and the order that its kernels like.
 *
 * <p>Caches of one {@link BlockPool} may have blocks in common; one that writes where another reads takes a copy first.
 *
 * <p>Not safe for use by several threads at once.
 */
public final class KvCache implements AutoCloseable {

    /** B, the positions of a block. */
    public static final int BLOCK_POSITIONS = 64;

    /** Values are this many elements apart, or a multiple, so that kernels read whole vectors. */
    private static final int VALUE_MULTIPLE = 16;

    private final int layers;
    private final int heads;
    private final int headChannels;
    private final int context;
    private final DType type;
    private final BlockPool pool;
    private final List<CacheBlock> blocks = new ArrayList<>();
    private int length;

    /**
     * An empty cache.
     *
     * @param layers the model's layers
     * @param heads H
     * @param headChannels D
     * @param context the most positions it may hold
     * @param type the elements: F64, F32 or F16; also BF16 on a device
     * @param pool what the blocks come from
     */
    public KvCache(int layers, int heads, int headChannels, int context, DType type, BlockPool pool) {
        this.layers = layers;
        this.heads = heads;
        this.headChannels = headChannels;
        this.context = context;
        this.type = type;
        this.pool = pool;
    }

    /** As the other, with blocks that are freed with {@code arena}, so that the cache need not be closed. */
    public KvCache(int layers, int heads, int headChannels, int context, DType type, Arena arena) {
        this(layers, heads, headChannels, context, type, BlockPool.in(BlockMemory.HOST, arena));
    }

    /** A cache of the same positions, which has their blocks in common with this one. */
    public KvCache fork() {
        KvCache fork = new KvCache(layers, heads, headChannels, context, type, pool);
        List<CacheBlock> inUse = blocks.subList(0, Math.ceilDiv(length, BLOCK_POSITIONS));
        fork.blocks.addAll(inUse);
        inUse.forEach(CacheBlock::retain);
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
        return type;
    }

    /** The model's layers. */
    public int layers() {
        return layers;
    }

    /** H. */
    public int heads() {
        return heads;
    }

    /** D. */
    public int headChannels() {
        return headChannels;
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
        for (int i = length / BLOCK_POSITIONS; i < Math.ceilDiv(length + count, BLOCK_POSITIONS); i++) {
            if (i == blocks.size()) {
                blocks.add(pool.allocate(type, blockElements()));
            } else if (!pool.claim(blocks.get(i))) {
                replace(i, i * BLOCK_POSITIONS < length ? pool.copy(blocks.get(i))
                        : pool.allocate(type, blockElements()));
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
     */
    public void adopt(int[] ids, int limit) {
        for (int i = length / BLOCK_POSITIONS; (i + 1) * BLOCK_POSITIONS <= limit; i++) {
            CacheBlock found = pool.find(before(i), ids, i * BLOCK_POSITIONS);
            if (found == null) {
                return;
            }
            if (i == blocks.size()) {
                blocks.add(found);
            } else {
                replace(i, found);
            }
            length = (i + 1) * BLOCK_POSITIONS;
        }
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
            CacheBlock known = pool.publish(block, before(i), ids, i * BLOCK_POSITIONS);
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
        return blockElements() * type.bytes();
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
            for (int layer = 0; layer < layers; layer++) {
                for (int head = 0; head < heads; head++) {
                    for (int d = 0; d < headChannels; d++) {
                        set(into, keys(layer, head) + (long) d * BLOCK_POSITIONS + slot, 0);
                        set(into, values(layer, head) + (long) slot * valueStride() + d, 0);
                    }
                }
            }
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
        return layer * layerElements();
    }

    /** Where the keys [D, B] of a layer's head begin in a block, in elements. */
    public long keys(int layer, int head) {
        return layerOffset(layer) + (long) head * headChannels * BLOCK_POSITIONS;
    }

    /** Where the values [B, D'] of a layer's head begin in a block, in elements. */
    public long values(int layer, int head) {
        return keys(layer, heads) + (long) head * BLOCK_POSITIONS * valueStride();
    }

    /** D', the elements from one position's values to the next's. */
    public int valueStride() {
        return Math.ceilDiv(headChannels, VALUE_MULTIPLE) * VALUE_MULTIPLE;
    }

    private long blockElements() {
        return layers * layerElements();
    }

    private long layerElements() {
        return (long) heads * BLOCK_POSITIONS * (headChannels + valueStride());
    }

    /** Channel {@code d} of the key of a cached position. */
    public double key(int layer, int head, int position, int d) {
        return element(position, keys(layer, head) + (long) d * BLOCK_POSITIONS + position % BLOCK_POSITIONS);
    }

    /** Channel {@code d} of the value of a cached position. */
    public double value(int layer, int head, int position, int d) {
        return element(position, values(layer, head) + (long) (position % BLOCK_POSITIONS) * valueStride() + d);
    }

    private double element(int position, long index) {
        MemorySegment data = block(position / BLOCK_POSITIONS).data();
        return switch (type) {
            case F64 -> data.getAtIndex(ValueLayout.JAVA_DOUBLE, index);
            case F32 -> data.getAtIndex(ValueLayout.JAVA_FLOAT, index);
            case F16 -> Float.float16ToFloat(data.getAtIndex(ValueLayout.JAVA_SHORT, index));
            case BF16 -> throw new IllegalStateException("a cache of BF16");
        };
    }

    /** Writes one channel of a position's key and value, as its type rounds it. */
    public void set(int layer, int head, int position, int d, double key, double value) {
        MemorySegment data = block(position / BLOCK_POSITIONS).data();
        int slot = position % BLOCK_POSITIONS;
        set(data, keys(layer, head) + (long) d * BLOCK_POSITIONS + slot, key);
        set(data, values(layer, head) + (long) slot * valueStride() + d, value);
    }

    private void set(MemorySegment data, long index, double value) {
        switch (type) {
            case F64 -> data.setAtIndex(ValueLayout.JAVA_DOUBLE, index, value);
            case F32 -> data.setAtIndex(ValueLayout.JAVA_FLOAT, index, (float) value);
            case F16 -> data.setAtIndex(ValueLayout.JAVA_SHORT, index, Float.floatToFloat16((float) value));
            case BF16 -> throw new IllegalStateException("a cache of BF16");
        }
    }

    /** The bytes of the blocks, those included that other caches hold too. */
    public long bytes() {
        return blocks.size() * blockBytes();
    }

    /** Lets go of all blocks; the cache is empty then. */
    @Override
    public void close() {
        for (int i = 0; i < blocks.size(); i++) {
            pool.release(blocks.get(i));
        }
        blocks.clear();
        length = 0;
    }
}
