package dev.isthmus.engine.api;

/**
 * Sees what passes between the layers while a session computes. Methods are called on the thread that called the
 * session, also where that is a virtual thread and another one computes; the arrays are the observer's to keep. What no
 * observer wants is neither computed nor copied. {@link Capture} is one that keeps what it is asked for.
 */
public interface ForwardObserver {

    /**
     * {@return whether {@link #hiddenState} shall be called for this boundary; all are wanted unless this says
     * otherwise}
     *
     * @param boundary 0 to n_layer + 1
     */
    default boolean wantsHiddenState(int boundary) {
        return true;
    }

    /**
     * The residual stream of one position. Of transformers' {@code hidden_states}, 0 to n_layer − 1 are the same and
     * the last, n_layer, is boundary n_layer + 1 here: it leaves out the last block's output before the layer norm.
     *
     * @param boundary 0 for the embedding, i for the output of block i − 1, n_layer + 1 for the final layer norm
     * @param position the position in the context
     * @param values C values
     */
    default void hiddenState(int boundary, int position, double[] values) {}

    /**
     * {@return whether {@link #attention} shall be called for this head; none is wanted unless this says otherwise}
     *
     * @param layer the layer, from 0
     * @param head the head, from 0
     */
    default boolean wantsAttention(int layer, int head) {
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
