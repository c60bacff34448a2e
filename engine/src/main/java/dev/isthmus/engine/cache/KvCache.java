package dev.isthmus.engine.cache;

import dev.isthmus.engine.errors.ContextFullException;
import dev.isthmus.engine.errors.InvalidInputException;
import dev.isthmus.engine.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;

/**
 * The keys and values of one sequence's past positions, in blocks of {@link #BLOCK_POSITIONS} positions that are
 * allocated when the sequence reaches them. A block holds, for each layer in turn, keys [H, B, D] and then values
 * [H, B, D]; the positions of one head lie side by side, so attention reads them in order.
 *
 * <p>Not safe for use by several threads at once.
 */
public final class KvCache {

    /** B, the positions of a block: 64 rows of 64 floats fill half of a common 32 KiB first-level cache. */
    public static final int BLOCK_POSITIONS = 64;

    private final int layers;
    private final int heads;
    private final int headChannels;
    private final int context;
    private final Function<long[], Tensor> allocator;
    private final List<Tensor> blocks = new ArrayList<>();
    private int length;

    /**
     * An empty cache.
     *
     * @param layers the model's layers
     * @param heads H
     * @param headChannels D
     * @param context the most positions it may hold
     * @param allocator makes a tensor of the dimensions that it is given
     */
    public KvCache(int layers, int heads, int headChannels, int context, Function<long[], Tensor> allocator) {
        this.layers = layers;
        this.heads = heads;
        this.headChannels = headChannels;
        this.context = context;
        this.allocator = allocator;
    }

    /** The positions whose keys and values are in the cache. */
    public int length() {
        return length;
    }

    /** The most positions that it may hold. */
    public int context() {
        return context;
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
            blocks.add(allocator.apply(new long[] {layers, 2, heads, BLOCK_POSITIONS, headChannels}));
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

    /** Block {@code index}: [layers, 2, H, B, D], keys before values. */
    public Tensor block(int index) {
        return blocks.get(index);
    }

    /** Where layer {@code layer} begins in a block, in elements. */
    public long layerOffset(int layer) {
        return 2L * layer * heads * BLOCK_POSITIONS * headChannels;
    }

    /** The bytes allocated. */
    public long bytes() {
        return blocks.stream().mapToLong(block -> block.data().byteSize()).sum();
    }
}
