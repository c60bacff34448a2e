package dev.isthmus.engine.kernels;

import dev.isthmus.engine.cache.BlockMemory;
import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.config.Activation;
import dev.isthmus.engine.config.KernelKind;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.tensor.DType;
import dev.isthmus.engine.tensor.Place;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.util.List;
import java.util.Optional;
import java.util.function.BooleanSupplier;

/**
 * The operations that the transformer is made of. Each backend implements them on its own activations and weight
 * matrices, which it allocates itself; vectors of weights are float32 for all. Every operation checks the shapes that it
 * is given and throws {@link IllegalArgumentException} where they do not fit, before any native code runs.
 *
 * <p>Several threads may call one instance at once; each call works on its caller's tensors only.
 */
public interface Kernels extends AutoCloseable {

    /** What computes, in words. */
    String description();

    /** What computes. */
    KernelKind kind();

    /** Where the tensors of these kernels are. */
    default Place place() {
        return Place.HOST;
    }

    /** A zeroed tensor of the type that the residual stream, logits and probabilities have here. */
    Tensor allocate(Arena arena, long... dims);

    /** A zeroed tensor of the type that products with such weights read here, and write unless they add to the stream. */
    default Tensor allocateInputs(WeightType weights, Arena arena, long... dims) {
        return allocate(arena, dims);
    }

    /** Copies a tensor's elements from {@code first} on, as many as {@code into} takes. */
    default void read(Tensor from, long first, float[] into) {
        HostMemory.read(from, first, into);
    }

    /** Copies a tensor's elements from {@code first} on, as many as {@code into} takes. */
    default void read(Tensor from, long first, double[] into) {
        HostMemory.read(from, first, into);
    }

    /** Stores float32 values, off-heap or of an array, as a tensor's elements: all of them, rounded to its type. */
    default void write(MemorySegment values, Tensor into) {
        HostMemory.write(values, into);
    }

    /** What runs the passes that work in one piece of scratch memory. */
    default Passes newPasses() {
        return Passes.DIRECT;
    }

    /** Zeroed memory for weights, aligned to {@link Tensor#ALIGNMENT} bytes; it may be used by any thread. */
    MemorySegment allocateWeights(Arena arena, long bytes);

    /** As {@link #allocateWeights}, to be handed out piece by piece. */
    default SegmentAllocator weightsAllocator(Arena arena, long bytes) {
        return SegmentAllocator.slicingAllocator(allocateWeights(arena, bytes));
    }

    /**
     * Watches over weights that lie in a mapped file, where these kernels can read them there.
     *
     * @param mapping the file
     * @param arena what the mapping is freed with; it ends the watch
     * @return tells whether every page that was read was there: a file that is cut short loses pages, which read as
     *     zeros then. Empty where these kernels read no files
     */
    default Optional<BooleanSupplier> watch(MemorySegment mapping, Arena arena) {
        return Optional.empty();
    }

    /** Makes a part of a watched mapping ready to be read. Several threads may do so. */
    default void touch(MemorySegment part) {
        throw new UnsupportedOperationException("these kernels read no files");
    }

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

    /** Copies the weights of a matrix's outputs from {@code first} on, K each, for as many as {@code into} takes. */
    default void readWeights(Matrix matrix, int first, float[] into) {
        HostMemory.readWeights(matrix, first, into);
    }

    /** x[t] = column (token of t) of wte + wpe[position of t].  wte of C inputs and V outputs, wpe [P, C], x [T, C]. */
    void embedding(Matrix wte, Tensor wpe, RowBatch batch, Tensor x);

    /** out[t] = (x[t] − mean) / √(variance + ε) · weight + bias over each row.  x, out [T, C]. */
    void layerNorm(Tensor x, LayerNorm norm, Tensor out);

    /** out = activation(x · weight + bias).  x [T, K], out [T, N]. */
    void linear(Tensor x, Linear linear, Activation activation, Tensor out);

    /**
     * out = x · weight + bias for columns from {@code column} on and, of rows from {@code first} on, for those before
     * it as well; what out holds elsewhere is not said.  x [T, K], out [T, N].
     *
     * @param first in [0, T]
     * @param column in [0, N]
     */
    default void linearPart(Tensor x, Linear linear, int first, int column, Tensor out) {
        linear(x, linear, Activation.NONE, out);
    }

    /** out += x · weight + bias.  x [T, K], out [T, N]. */
    void linearAdd(Tensor x, Linear linear, Tensor out);

    /**
     * out += x · weight + bias, and then normed = layer norm of out: two operations that may be one here.
     * x [T, K], out, normed [T, N].
     */
    default void linearAddNorm(Tensor x, Linear linear, Tensor out, LayerNorm norm, Tensor normed) {
        linearAdd(x, linear, out);
        layerNorm(out, norm, normed);
    }

    /** The element types that a cache may have, the usual one first. */
    List<DType> cacheTypes();

    /** Those that it may have beside such weights, the usual one first. */
    default List<DType> cacheTypes(WeightType weights) {
        return cacheTypes();
    }

    /** The keys of one head at the first {@code positions} positions of a cache: [positions, D]. */
    default double[] keys(KvCache cache, int layer, int head, int positions) {
        double[] keys = new double[positions * cache.headChannels()];
        for (int i = 0; i < keys.length; i++) {
            keys[i] = cache.key(layer, head, i / cache.headChannels(), i % cache.headChannels());
        }
        return keys;
    }

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
     *
     * @param first the first row whose result is wanted, in [0, T]; what out holds of those before it is not said
     */
    void attention(Tensor qkv, RowBatch batch, int layer, double scale, int first, Tensor out);

    /** {@link #appendKeysAndValues} of all rows and then {@link #attention}: two operations that may be one here. */
    default void appendAndAttend(Tensor qkv, RowBatch batch, int layer, double scale, int first, Tensor out) {
        appendKeysAndValues(qkv, batch, layer);
        attention(qkv, batch, layer, scale, first, out);
    }

    /** out[i] = x[rows[i]].  x [T, C], out [rows, C]. */
    void selectRows(Tensor x, int[] rows, Tensor out);

    /** x[t] = softmax(x[t]) over each row.  x [T, N]. */
    void softmax(Tensor x);

    /** Whether {@link #choose} works here. */
    default boolean choosesTokens() {
        return false;
    }

    /**
     * Chooses tokens by their logits without reading these back.
     *
     * @param logits [T, V]
     * @param first the first row to choose a token for
     * @param draws one for each row from there on
     * @return the tokens; a negative number where a logit is NaN or +∞, or none is finite
     */
    default int[] choose(Tensor logits, int first, Draw... draws) {
        throw new UnsupportedOperationException(description() + " chooses no tokens");
    }

    /**
     * Checks that a model's heads can be computed.
     *
     * @param headChannels D
     * @throws dev.isthmus.engine.errors.UnsupportedModelException if not
     */
    default void requireHeads(int headChannels) {}

    /** Ends the backend's threads and frees what it holds; idempotent. */
    @Override
    void close();
}
