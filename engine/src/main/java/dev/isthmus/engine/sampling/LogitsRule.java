package dev.isthmus.engine.sampling;

/** Changes the logits of the next token before one is chosen. Keeps no state, so that it serves any number of texts. */
@FunctionalInterface
public interface LogitsRule {

    /**
     * Changes them.
     *
     * @param history the tokens before
     * @param logits V values, or log-probabilities in a beam search; changed in place
     */
    void apply(TokenHistory history, float[] logits);
}
