package dev.isthmus.engine.kernels;

import dev.isthmus.engine.cache.BlockMemory;
import dev.isthmus.engine.config.Activation;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.tensor.DType;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * The operations that the transformer is made of. Each backend implements them on its own activations and weight
 * matrices, which it allocates itself; vectors of weights are float32 for all. Every operation checks the shapes that it is given and throws
 * {@link IllegalArgumentException} where they do not fit, before any native code runs.
 *
 * <p>Several threads may call one instance at once; each call works on its caller's tensors only.
 */
public interface Kernels extends AutoCloseable {

    /** What computes, in words. */
    String description();

    /** A zeroed tensor of this backend's activation type. */
    Tensor allocate(Arena arena, long... dims);

    /** Zeroed memory for weights, aligned to {@link Tensor#ALIGNMENT} bytes; it may be used by any thread. */
    MemorySegment allocateWeights(Arena arena, long bytes);

    /** Whether {@link #matrix} makes {@link PackedMatrix} or {@link PlainMatrix}. */
    boolean packsMatrices();

    /** The bytes of memory that a weight matrix takes. */
    long matrixBytes(WeightType type, int inputs, int outputs);

    /**
     * A weight matrix, to be filled by {@link #pack}.
     *
     * @param layout the order in which it will be packed
     * @param memory as many bytes as {@link #matrixBytes} says
     */
    Matrix matrix(WeightType type, Layout layout, int inputs, int outputs, MemorySegment memory);

    /**
     * Fills a part of a matrix: inputs [k0, k1) of outputs [n0, n1), rounded to its type. Threads may fill different
     * parts at once.
     *
     * @param layout that of {@link #matrix}
     * @param weights just this part, float32, [k1 − k0, n1 − n0] or the transposed by {@code layout}; off-heap
     * @param k0 a multiple of the type's {@link WeightType#blockInputs}, as k1 is if it is not K
     * @param n0 a multiple of {@link PackedMatrix#PANEL}, as n1 is if it is not N
     */
    void pack(Matrix matrix, Layout layout, MemorySegment weights, int k0, int k1, int n0, int n1);

    /** x[t] = column (token of t) of wte + wpe[position of t].  wte of C inputs and V outputs, wpe [P, C], x [T, C]. */
    void embedding(Matrix wte, Tensor wpe, RowBatch batch, Tensor x);

    /** out[t] = (x[t] − mean) / √(variance + ε) · weight + bias over each row.  x, out [T, C]. */
    void layerNorm(Tensor x, LayerNorm norm, Tensor out);

    /** out = activation(x · weight + bias).  x [T, K], out [T, N]. */
    void linear(Tensor x, Linear linear, Activation activation, Tensor out);

    /** out += x · weight + bias.  x [T, K], out [T, N]. */
    void linearAdd(Tensor x, Linear linear, Tensor out);

    /** The element types that a cache may have, the usual one first. */
    List<DType> cacheTypes();

    /** Where the blocks of caches lie. */
    default BlockMemory blockMemory() {
        return BlockMemory.HOST;
    }

    /** Whether a row's results are the same bits whatever other rows are in the batch, and however many. */
    boolean isBatchInvariant();

    /** Writes the keys and values of the batch's rows to their caches.  qkv [T, 3C]: queries, keys, values. */
    void appendKeysAndValues(Tensor qkv, RowBatch batch, int layer);

    /**
     * Causal attention of each row over the positions of its sequence up to its own, whose keys and values are in
     * the cache: out[t, h] = softmax(scale · q · keysᵀ) · values.  qkv [T, 3C], out [T, C].
     */
    void attention(Tensor qkv, RowBatch batch, int layer, double scale, Tensor out);

    /** out[i] = x[rows[i]].  x [T, C], out [rows, C]. */
    void selectRows(Tensor x, int[] rows, Tensor out);

    /** x[t] = softmax(x[t]) over each row.  x [T, N]. */
    void softmax(Tensor x);

    /** Ends the backend's threads and frees what it holds; idempotent. */
    @Override
    void close();
}
