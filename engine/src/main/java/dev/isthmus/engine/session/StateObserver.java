package dev.isthmus.engine.session;

import java.util.concurrent.Executor;

/** Sees what passes between the layers of a forward pass. */
public interface StateObserver {

    /** The same observer, called by {@code caller} on the thread that asked for the pass. */
    StateObserver calling(Executor caller);

    /** Whether it wants the residual stream at a boundary, 0 (the embedding) to n_layer + 1 (the final norm). */
    boolean wantsHiddenState(int boundary);

    /** Takes the C values of a position at a boundary. */
    void hiddenState(int boundary, int position, double[] values);

    /** Whether it wants the attention probabilities of a head. */
    boolean wantsAttention(int layer, int head);

    /** Takes the probabilities by which a position attends to those up to its own. */
    void attention(int layer, int head, int position, double[] probabilities);
}
