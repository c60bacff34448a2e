package dev.isthmus.engine.sampling;

/** The texts that a beam search follows, as a model reads them. At first there is one, the prompt. */
@FunctionalInterface
public interface Hypotheses {

    /**
     * Moves on by a token: afterwards there are n texts, of which text i is what text {@code parents[i]} was, with
     * {@code tokens[i]} behind it.
     *
     * @param parents n indices of texts of the step before; one may come several times or not at all
     * @param tokens n token ids
     * @return the logits [n, V] of the tokens after these
     */
    float[][] advance(int[] parents, int[] tokens);
}
