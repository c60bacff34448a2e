package dev.isthmus.engine.model;

import dev.isthmus.engine.kernels.RowBatch;
import dev.isthmus.engine.tensor.Tensor;
import java.util.concurrent.Executor;
import java.util.function.BooleanSupplier;

/**
 * Watches a forward pass from inside and can end it. Tensors are valid during the call only.
 */
public interface LayerProbe {

    /** Sees nothing, ends nothing. */
    LayerProbe NONE = ending(() -> false);

    /** Sees nothing; ends the pass when {@code cancelled} says so. */
    static LayerProbe ending(BooleanSupplier cancelled) {
        return new LayerProbe() {
            @Override
            public boolean cancelled() {
                return cancelled.getAsBoolean();
            }

            @Override
            public boolean watches() {
                return false;
            }
        };
    }

    /** The same probe, which runs callers' own code by {@code caller}: elsewhere, and returns when that is done. */
    default LayerProbe calling(Executor caller) {
        return this;
    }

    /** Whether it looks at tensors; if not, it may be shown none. */
    default boolean watches() {
        return true;
    }

    /** Asked before each layer: true ends the pass. */
    default boolean cancelled() {
        return false;
    }

    /**
     * The residual stream x [T, C]: at boundary 0 the embedding, at i the output of block i − 1, and if
     * {@link #wantsFinalState} says so at n_layer + 1 the final layer norm's output.
     */
    default void hiddenState(int boundary, Tensor x, RowBatch batch) {}

    /** Whether every row must be computed for it to see, even where keys and values could be taken over. */
    default boolean needsEveryRow() {
        return false;
    }

    /** Whether the final layer norm shall be computed for all rows, not just for those whose logits are wanted. */
    default boolean wantsFinalState() {
        return false;
    }

    /** The queries, keys and values qkv [T, 3C] of a layer, whose keys and values are already in the cache. */
    default void attention(int layer, Tensor qkv, RowBatch batch) {}
}
