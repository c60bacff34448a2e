package dev.isthmus.engine.model;

import dev.isthmus.engine.kernels.RowBatch;
import dev.isthmus.engine.tensor.Tensor;

/**
 * Watches a forward pass from inside and can end it. Tensors are valid during the call only.
 */
public interface LayerProbe {

    /** Sees nothing, ends nothing. */
    LayerProbe NONE = new LayerProbe() {};

    /** Asked before each layer: true ends the pass. */
    default boolean cancelled() {
        return false;
    }

    /** The residual stream x [T, C]: at boundary 0 the embedding, at i the output of block i − 1. */
    default void hiddenState(int boundary, Tensor x, RowBatch batch) {}

    /** The final layer norm's output x [outputRows, C]: what the output matrix turns into logits. */
    default void finalState(Tensor x, int[] outputRows, RowBatch batch) {}

    /** The queries, keys and values qkv [T, 3C] of a layer, whose keys and values are already in the cache. */
    default void attention(int layer, Tensor qkv, RowBatch batch) {}
}
