package dev.isthmus.engine.kernels;

import dev.isthmus.engine.config.Activation;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.Arena;

/**
 * The operations that the transformer is made of. Each backend implements them on its own activations, which it
 * allocates itself; weights are float32 for all. Every operation checks the shapes that it is given and throws
 * {@link IllegalArgumentException} where they do not fit, before any native code runs.
 *
 * <p>Several threads may call one instance at once; each call works on its caller's tensors only.
 */
public interface Kernels extends AutoCloseable {

    /** What computes, in words. */
    String description();

    /** A zeroed tensor of this backend's activation type. */
    Tensor allocate(Arena arena, long... dims);

    /** x[t] = wte[token of t] + wpe[position of t].  wte [V, C], wpe [P, C], x [T, C]. */
    void embedding(Tensor wte, Tensor wpe, RowBatch batch, Tensor x);

    /** out[t] = (x[t] − mean) / √(variance + ε) · weight + bias over each row.  x, out [T, C]. */
    void layerNorm(Tensor x, LayerNorm norm, Tensor out);

    /** out = activation(x · weight + bias).  x [T, K], out [T, N]. */
    void linear(Tensor x, Linear linear, Activation activation, Tensor out);

    /** x += y.  Both [T, C]. */
    void add(Tensor x, Tensor y);

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
