package dev.isthmus.engine.kernels;

import dev.isthmus.engine.tensor.Tensor;

/** Chooses tokens where their logits are, without reading these back. Several threads may use one instance. */
@FunctionalInterface
public interface TokenChooser {

    /**
     * Chooses a token for each of some rows.
     *
     * @param logits [T, V]
     * @param first the first row to choose a token for
     * @param draws one for each row from there on
     * @return the tokens; a negative number where a logit is NaN or +∞, or none is finite
     */
    int[] choose(Tensor logits, int first, Draw... draws);
}
