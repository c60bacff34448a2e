package dev.isthmus.engine.api;

import dev.isthmus.engine.checks.Arguments;
import dev.isthmus.engine.errors.InvalidInputException;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalDouble;

/**
 * How well a model predicts a text.
 *
 * @param tokens the tokens of the text
 * @param nll the mean negative natural log-probability of the predicted tokens, each with the same weight
 * @param tokenLogprobs the natural log-probability of each predicted token, first to last: of all but the first token
 *     and, where windows do not overlap, the first of each
 * @param windows what was read, first to last; just one where the text fits into the context
 */
public record Score(int tokens, double nll, double[] tokenLogprobs, List<Window> windows) {

    /**
     * A part of the text that was read by itself.
     *
     * @param begin the first token that was read
     * @param predicted the first token whose log-probability was taken, at least {@code begin + 1}
     * @param end one behind the last token
     */
    public record Window(int begin, int predicted, int end) {

        private int count() {
            return end - predicted;
        }
    }

    /** Makes the list unmodifiable. */
    public Score {
        Arguments.nonNull(tokenLogprobs, "score", "tokenLogprobs");
        windows = Arguments.nonNullElements(windows, "score", "windows");
    }

    /** {@return e to the power of {@link #nll}} */
    public double perplexity() {
        return Math.exp(nll);
    }

    /**
     * {@return the natural log-probability of one token; empty where nothing predicted it}
     *
     * @param index 0 for the text's first token
     * @throws InvalidInputException if the text has no such token
     */
    public OptionalDouble logprob(int index) {
        if (index < 0 || index >= tokens) {
            throw new InvalidInputException("score: expected a token's index in 0.." + (tokens - 1) + ", found "
                    + index);
        }
        int before = 0;
        for (Window window : windows) {
            if (index < window.end()) {
                return index < window.predicted() ? OptionalDouble.empty()
                        : OptionalDouble.of(tokenLogprobs[before + index - window.predicted()]);
            }
            before += window.count();
        }
        return OptionalDouble.empty();
    }

    /**
     * {@return the perplexity as the script in Hugging Face's guide "Perplexity of fixed-length models" adds it up} It
     * takes each window's mean with the weight of the tokens new in it less one, as if the first of them were not
     * predicted, which is so in the first window only, unless windows do not overlap. {@link #perplexity} differs from
     * it by about 1 / stride of the difference between windows; for a text of one window, or without overlap, they are
     * equal.
     */
    public double guidePerplexity() {
        double sum = 0;
        long weights = 0;
        int before = 0;
        int reached = 0;
        for (Window window : windows) {
            int weight = window.end() - reached - 1;
            double mean = Arrays.stream(tokenLogprobs, before, before + window.count()).average().orElse(0);
            sum -= mean * weight;
            weights += weight;
            before += window.count();
            reached = window.end();
        }
        return Math.exp(sum / weights);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Score score && tokens == score.tokens && nll == score.nll
                && windows.equals(score.windows) && Arrays.equals(tokenLogprobs, score.tokenLogprobs);
    }

    /** {@return the figures of the whole text in words; the tokens' log-probabilities are counted only} */
    @Override
    public String toString() {
        return "Score[tokens=" + tokens + ", nll=" + nll + ", perplexity=" + perplexity() + ", tokenLogprobs="
                + tokenLogprobs.length + ", windows=" + windows + "]";
    }

    @Override
    public int hashCode() {
        return 31 * Double.hashCode(nll) + Arrays.hashCode(tokenLogprobs);
    }
}
