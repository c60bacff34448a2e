package dev.isthmus.engine.api;

import dev.isthmus.engine.checks.Arguments;
import dev.isthmus.engine.errors.InvalidInputException;

/**
 * How wide and how long a beam search searches, by the rules of Hugging Face's {@code generate}.
 *
 * @param beams how many hypotheses are followed and returned, ≥ 2
 * @param lengthPenalty scores are divided by the number of generated tokens to this power: above 0 favours long texts,
 *     below 0 short ones; finite
 * @param earlyStopping when to end the search
 */
public record BeamOptions(int beams, double lengthPenalty, EarlyStopping earlyStopping) {

    /** When a beam search ends; transformers' {@code early_stopping}. */
    public enum EarlyStopping {
        /** When as many texts have ended as there are beams: {@code True}. */
        YES,
        /** When the best that goes on would, ended now, be no better than the worst that has ended: {@code False}. */
        NO,
        /** When the best that goes on can at no length be better, which takes longest: {@code "never"}. */
        NEVER
    }

    /**
     * Checks the values.
     *
     * @throws InvalidInputException if one is out of range
     */
    public BeamOptions {
        Arguments.nonNull(earlyStopping, "beam search", "earlyStopping");
        if (beams < 2) {
            throw new InvalidInputException("beam search: beams must be >= 2, found " + beams
                    + "; one beam is what Session.generate does with greedy options");
        }
        if (!Double.isFinite(lengthPenalty)) {
            throw new InvalidInputException("beam search: the length penalty must be a finite number, found "
                    + lengthPenalty);
        }
    }

    /**
     * So many beams, length penalty 1, early stopping {@code NO}: the defaults of transformers.
     *
     * @param beams how many hypotheses go on at a time, at least 1
     * @return the options
     */
    public static BeamOptions of(int beams) {
        return new BeamOptions(beams, 1, EarlyStopping.NO);
    }
}
