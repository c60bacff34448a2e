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
 * <p>Not safe for use by several threads at once.
 */
public final class KvCache {

    /** B, the positions of a block. */
    public static final int BLOCK_POSITIONS = 64;

    /** Values are this many elements apart, or a multiple, so that kernels read whole vectors. */
    private static final int VALUE_MULTIPLE = 16;

    private final int layers;
    private final int heads;
    private final int headChannels;
    private final int context;
    private final DType type;
    private final Memory memory;
    private final List<Tensor> blocks = new ArrayList<>();
    private int length;

    /** Where the blocks come from. */
    @FunctionalInterface
    public interface Memory {

        /** A zeroed tensor of one dimension. */
        Tensor allocate(DType type, long elements);
    }

    /**
     * An empty cache.
     *
     * @param layers the model's layers
     * @param heads H
     * @param headChannels D
     * @param context the most positions it may hold
     * @param type the elements: F64, F32 or F16; also BF16 on a device
     * @param memory where the blocks come from
     */
    public KvCache(int layers, int heads, int headChannels, int context, DType type, Memory memory) {
        this.layers = layers;
        this.heads = heads;
        this.headChannels = headChannels;
        this.context = context;
        this.type = type;
        this.memory = memory;
    }

    /** An empty cache in the process's own memory, which comes from {@code arena}. */
    public KvCache(int layers, int heads, int headChannels, int context, DType type, Arena arena) {
        this(layers, heads, headChannels, context, type,
                (dtype, elements) -> Tensor.allocate(arena, dtype, elements));
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
     * Allocates the blocks for {@code count} more positions. Changes nothing that a reader sees.
     *
     * @throws ContextFullException if they do not fit into the context
     */
    public void reserve(int count) {
        if (count > context - length) {
            throw new ContextFullException(context, length, count);
        }
        while ((long) blocks.size() * BLOCK_POSITIONS < length + count) {
            blocks.add(memory.allocate(type, layers * layerElements()));
        }
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
        return blocks.get(index);
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
        MemorySegment data = blocks.get(position / BLOCK_POSITIONS).data();
        return switch (type) {
            case F64 -> data.getAtIndex(ValueLayout.JAVA_DOUBLE, index);
            case F32 -> data.getAtIndex(ValueLayout.JAVA_FLOAT, index);
            case F16 -> Float.float16ToFloat(data.getAtIndex(ValueLayout.JAVA_SHORT, index));
            case BF16 -> throw new IllegalStateException("a cache of BF16");
        };
    }

    /** Writes one channel of a position's key and value, as its type rounds it. */
    public void set(int layer, int head, int position, int d, double key, double value) {
        MemorySegment data = blocks.get(position / BLOCK_POSITIONS).data();
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

    /** The bytes allocated. */
    public long bytes() {
        return blocks.stream().mapToLong(Tensor::bytes).sum();
    }
}
