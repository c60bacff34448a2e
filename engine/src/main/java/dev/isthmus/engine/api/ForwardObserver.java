package dev.isthmus.engine.api;

/**
 * Sees what passes between the layers while a session computes. Methods are called on the computing thread; the
 * arrays are the observer's to keep. Without an observer nothing of this is computed.
 */
public interface ForwardObserver {

    /**
     * The residual stream of one position.
     *
     * @param boundary 0 for the embedding, i for the output of block i − 1, n_layer + 1 for the final layer norm
     * @param position the position in the context
     * @param values C values
     */
    default void hiddenState(int boundary, int position, double[] values) {}

    /** Whether {@link #attention} shall be called for this layer. */
    default boolean wantsAttention(int layer) {
        return false;
    }

    /**
     * The attention of one position and head.
     *
     * @param layer the layer, from 0
     * @param head the head, from 0
     * @param position the position in the context
     * @param probabilities position + 1 weights over the positions so far; they add up to 1
     */
    default void attention(int layer, int head, int position, double[] probabilities) {}
}
