package dev.isthmus.engine.sampling;

import dev.isthmus.engine.errors.InvalidInputException;

/**
 * Takes a token id from logits. At temperature 0 the largest logit wins, the lowest id on a tie. Otherwise the logits
 * are divided by the temperature, tokens below the k-th largest logit are removed (ties with it stay), then the least
 * likely tokens that together have at most 1 - p of the probability (of equal ones the higher ids first), and one of
 * the rest is drawn: what Hugging Face transformers does, in double instead of float32.
 *
 * <p>Draws come from SplitMix64 started at the seed: one 64-bit number for each token drawn, of which the upper 53 bits
 * are u in [0, 1); drawn is the first token, in ascending order of ids, at which the cumulative probability exceeds u.
 * No step depends on platform, JDK or thread count. Not safe for use by several threads.
 */
public final class Sampler {

    private final boolean greedy;
    private final Candidates candidates;
    private final SplitMix64 random;

    /**
     * Makes one.
     *
     * @param temperature what logits are divided by, finite and ≥ 0; 0 is greedy, and then the rest does not matter
     * @param topK how many of the largest logits stay, ≥ 0; 0 for all
     * @param topP how much of the probability stays, in (0, 1]; 1 for all
     * @param seed where the draws begin
     * @throws InvalidInputException if a value is out of range
     */
    public Sampler(double temperature, int topK, double topP, long seed) {
        require(temperature >= 0 && temperature < Double.POSITIVE_INFINITY,
                "temperature must be a finite number >= 0, found " + temperature);
        require(topK >= 0, "top-k must be >= 0 (0: all tokens), found " + topK);
        require(topP > 0 && topP <= 1, "top-p must be in (0, 1], found " + topP);
        greedy = temperature == 0;
        candidates = new Candidates(temperature, topK, topP);
        random = new SplitMix64(seed);
    }

    private static void require(boolean condition, String message) {
        if (!condition) {
            throw new InvalidInputException("sampling: " + message);
        }
    }

    /**
     * Takes a token. Greedy sampling draws no number, else each call that returns draws one.
     *
     * @param logits one for each token of the vocabulary; -∞ excludes a token. Not changed
     * @return the token's id, an index into the logits
     * @throws InvalidInputException if a logit is NaN or +∞, or none is finite
     */
    public int sample(float[] logits) {
        int best = Candidates.argmax(logits);
        if (greedy) {
            return best;
        }
        candidates.select(logits);
        double target = random.nextDouble() * candidates.total();
        // Ends at the last candidate if not before: the total is this same sum, at least 1, and the target is below it.
        int drawn = 0;
        double cumulative = candidates.weight(0);
        while (cumulative <= target) {
            cumulative += candidates.weight(++drawn);
        }
        return candidates.id(drawn);
    }
}
