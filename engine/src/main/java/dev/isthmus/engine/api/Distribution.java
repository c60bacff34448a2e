package dev.isthmus.engine.api;

import dev.isthmus.engine.checks.Arguments;
import dev.isthmus.engine.errors.InvalidInputException;
import dev.isthmus.engine.sampling.LogProbabilities;
import java.util.Arrays;
import java.util.List;

/**
 * What a model expects at one position: the softmax of its logits, computed in double. Immutable.
 *
 * <p>Of every position of a text: {@code session.append(ids, (position, logits) -> … Distribution.of(logits) …)}.
 */
public final class Distribution {

    private final float[] logits;
    private final double logSumExp;

    private Distribution(float[] logits) {
        this.logits = logits;
        logSumExp = new LogProbabilities().logSumExp(logits);
    }

    /**
     * {@return the distribution that logits stand for}
     *
     * @param logits V values, which are copied
     * @throws InvalidInputException if one is NaN or +∞, or none is finite
     */
    public static Distribution of(float[] logits) {
        return new Distribution(Arguments.nonNull(logits, "distribution", "logits").clone());
    }

    /** {@return V, the number of tokens} */
    public int vocabulary() {
        return logits.length;
    }

    /**
     * {@return the logit of a token}
     *
     * @param id the token
     * @throws InvalidInputException if it is not in the vocabulary
     */
    public float logit(int id) {
        if (id < 0 || id >= logits.length) {
            throw new InvalidInputException("distribution: expected a token id in 0.." + (logits.length - 1)
                    + ", found " + id);
        }
        return logits[id];
    }

    /**
     * {@return the natural logarithm of a token's probability}
     *
     * @param id the token
     * @throws InvalidInputException if it is not in the vocabulary
     */
    public double logprob(int id) {
        return logit(id) - logSumExp;
    }

    /**
     * {@return a token's probability}
     *
     * @param id the token
     * @throws InvalidInputException if it is not in the vocabulary
     */
    public double probability(int id) {
        return Math.exp(logprob(id));
    }

    /** {@return the natural logarithms of all tokens' probabilities: V values} */
    public double[] logprobs() {
        double[] logprobs = new double[logits.length];
        Arrays.setAll(logprobs, id -> logits[id] - logSumExp);
        return logprobs;
    }

    /** {@return all tokens' probabilities: V values that add up to 1} */
    public double[] probabilities() {
        double[] probabilities = new double[logits.length];
        Arrays.setAll(probabilities, this::probability);
        return probabilities;
    }

    /**
     * {@return the likeliest tokens, the likeliest first, of equal ones the lower id first}
     *
     * @param n how many, 0..V
     * @throws InvalidInputException if there are not so many
     */
    public List<TokenLogprob> top(int n) {
        if (n < 0 || n > logits.length) {
            throw new InvalidInputException("distribution: expected 0.." + logits.length + " tokens to list, found "
                    + n);
        }
        return Arrays.stream(LogProbabilities.largest(logits, n)).mapToObj(id -> new TokenLogprob(id, logprob(id)))
                .toList();
    }

    /**
     * {@return how many tokens are likelier than this one: 0 for the likeliest}
     *
     * @param id the token
     * @throws InvalidInputException if it is not in the vocabulary
     */
    public int rank(int id) {
        float logit = logit(id);
        int likelier = 0;
        for (float other : logits) {
            likelier += other > logit ? 1 : 0;
        }
        return likelier;
    }

    /** {@return the entropy − Σ p ln p in nats, from 0 for a certain token to ln V for equally likely ones} */
    public double entropy() {
        double entropy = 0;
        for (float logit : logits) {
            double logprob = logit - logSumExp;
            entropy -= logprob == Double.NEGATIVE_INFINITY ? 0 : Math.exp(logprob) * logprob;
        }
        return entropy;
    }
}
