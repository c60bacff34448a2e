package dev.isthmus.engine.kernels;

import dev.isthmus.engine.config.Activation;
import dev.isthmus.engine.tensor.Tensor;

/**
 * The operations that the transformer is made of, and nothing else. Each {@link Backend} implements them on the tensors
 * and weights of its own memories; vectors of weights are float32 for all. Every operation checks the shapes that it is
 * given and throws {@link IllegalArgumentException} where they do not fit, before any native code runs.
 *
 * <p>Several threads may call one instance at once; each call works on its caller's tensors only.
 */
public interface Kernels {

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
}
