package dev.isthmus.engine.sampling;

import dev.isthmus.engine.errors.InvalidInputException;
import dev.isthmus.engine.kernels.Draw;
import java.util.List;
import java.util.Optional;

/**
 * Takes a token id from logits: rules change the logits, and then at temperature 0 the largest wins, the lowest id on a
 * tie. Otherwise the logits are divided by the temperature, a {@link Truncation} removes tokens, and one of the rest is
 * drawn: what Hugging Face transformers does, the rules in float32 as there, the rest in double.
 *
 * <p>Draws come from SplitMix64 started at the seed: one 64-bit number for each token drawn, of which the upper 53 bits
 * are u in [0, 1); drawn is the first token, in ascending order of ids, at which the cumulative probability exceeds u.
 * No step depends on platform, JDK or thread count. Not safe for use by several threads.
 */
public final class Sampler {

    private static final double[] POWERS = Exponentials.powers();

    private final double temperature;
    private final Truncation truncation;
    private final boolean greedy;
    private final Candidates candidates;
    private final SplitMix64 random;
    private final List<LogitsRule> rules;
    private float[] changed = new float[0];

    /**
     * Makes one.
     *
     * @param temperature what logits are divided by, finite and ≥ 0; 0 is greedy, and then the truncation and the seed
     *     do not matter
     * @param truncation which tokens may be drawn
     * @param seed where the draws begin
     * @param rules what changes the logits before all this, in their order
     */
    public Sampler(double temperature, Truncation truncation, long seed, List<LogitsRule> rules) {
        this.temperature = temperature;
        this.truncation = truncation;
        greedy = temperature == 0;
        candidates = new Candidates(temperature, truncation);
        random = new SplitMix64(seed);
        this.rules = List.copyOf(rules);
    }

    /**
     * Takes a token. Greedy sampling draws no number, else each call that returns draws one.
     *
     * @param logits one for each token of the vocabulary; -∞ excludes a token. Not changed
     * @param history the tokens before
     * @return the token's id, an index into the logits
     * @throws InvalidInputException if a logit is NaN or +∞, or none is finite; or if that is so behind the rules
     */
    public int sample(float[] logits, TokenHistory history) {
        int best = select(logits, history);
        return greedy ? best : candidates.draw(random.nextDouble());
    }

    /**
     * How kernels choose the token that {@link #sample} would take next, where they can: without rules and without
     * typical sampling.
     */
    public Optional<Draw> draw() {
        return rules.isEmpty() && truncation.typicalP() == 1 ? Optional.of(new Draw(temperature, truncation.topK(),
                truncation.topP(), truncation.minP(), random.state(), POWERS)) : Optional.empty();
    }

    /** Goes on as after {@link #sample}, when kernels have chosen a token by {@link #draw}. */
    public void drawn() {
        if (!greedy) {
            random.nextLong();
        }
    }

    /**
     * The probabilities that {@link #sample} chooses by; draws nothing.
     *
     * @param logits as for {@link #sample}
     * @param history as for {@link #sample}
     * @return V values that add up to 1
     * @throws InvalidInputException as {@link #sample}
     */
    public double[] probabilities(float[] logits, TokenHistory history) {
        double[] probabilities = new double[logits.length];
        int best = select(logits, history);
        for (int id = 0; id < probabilities.length; id++) {
            probabilities[id] = greedy ? 0 : candidates.weight(id) / candidates.total();
        }
        probabilities[best] = greedy ? 1 : probabilities[best];
        return probabilities;
    }

    /** The likeliest token; unless this is enough, the candidates are selected. */
    private int select(float[] logits, TokenHistory history) {
        int best = Candidates.argmax(logits);
        float[] scores = logits;
        if (!rules.isEmpty()) {
            scores = changed(logits, history);
            best = bestBehindRules(scores);
        }
        if (!greedy) {
            candidates.select(scores, scores[best]);
        }
        return best;
    }

    private float[] changed(float[] logits, TokenHistory history) {
        if (changed.length != logits.length) {
            changed = new float[logits.length];
        }
        System.arraycopy(logits, 0, changed, 0, logits.length);
        for (LogitsRule rule : rules) {
            rule.apply(history, changed);
        }
        return changed;
    }

    private static int bestBehindRules(float[] scores) {
        try {
            return Candidates.argmax(scores);
        } catch (InvalidInputException refused) {
            throw new InvalidInputException("generate: the options leave no token to choose; check the biases, the "
                    + "banned and forced tokens, no-repeat and your own processors (" + refused.getMessage() + ")");
        }
    }
}
