package dev.isthmus.engine.api;

import java.util.Arrays;

/**
 * How well a model predicts a text.
 *
 * @param tokens the tokens of the text
 * @param nll the mean negative natural log-probability of the predicted tokens: all but the first
 * @param tokenLogprobs the natural log-probability of each predicted token, {@code tokens − 1} of them
 */
public record Score(int tokens, double nll, double[] tokenLogprobs) {

    /** e to the power of {@link #nll}. */
    public double perplexity() {
        return Math.exp(nll);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Score score && tokens == score.tokens && nll == score.nll
                && Arrays.equals(tokenLogprobs, score.tokenLogprobs);
    }

    @Override
    public int hashCode() {
        return 31 * Double.hashCode(nll) + Arrays.hashCode(tokenLogprobs);
    }
}
