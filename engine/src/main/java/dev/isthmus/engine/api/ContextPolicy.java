package dev.isthmus.engine.api;

import dev.isthmus.engine.errors.InvalidInputException;
import dev.isthmus.engine.session.ContextWindow;

/**
 * What a session does when its context is full. {@link #ERROR} refuses what is appended and ends a generation with
 * {@link FinishReason#CONTEXT_FULL}; {@link #sliding} forgets the older tokens.
 *
 * <p>GPT-2's positions are absolute, so keys and values cannot move with their tokens. A session that slides drops
 * {@code dropped} tokens behind its first {@code kept}, as often as it takes for the next to fit, and then computes
 * all that it has left from position {@code kept} on anew: the first token left there gets position {@code kept}, and so
 * on. Afterwards it is exactly a session that was given the tokens left. A slide costs as much as reading context − kept
 * − dropped tokens; with n tokens dropped at a time there is one for each n tokens generated.
 *
 * @param kept how many tokens at the beginning are never dropped, ≥ 0
 * @param dropped how many are dropped at a time; 0 for none, which is the error
 */
public record ContextPolicy(int kept, int dropped) {

    /**
     * What does not fit is a {@link dev.isthmus.engine.errors.ContextFullException}, and a generation ends with
     * {@link FinishReason#CONTEXT_FULL}.
     */
    public static final ContextPolicy ERROR = new ContextPolicy(0, 0);

    /**
     * Checks the values.
     *
     * @throws InvalidInputException if one is negative
     */
    public ContextPolicy {
        if (kept < 0 || dropped < 0) {
            throw new InvalidInputException("context policy: the tokens kept and dropped must be >= 0, found " + kept
                    + " and " + dropped);
        }
    }

    /**
     * A full context drops its older tokens.
     *
     * @param kept how many tokens at the beginning stay: an instruction, say
     * @param dropped how many tokens behind them go at a time, ≥ 1; half the context is usual
     * @return the policy
     * @throws InvalidInputException if one is out of range
     */
    public static ContextPolicy sliding(int kept, int dropped) {
        if (dropped < 1) {
            throw new InvalidInputException("context policy: at least one token must be dropped at a time, found "
                    + dropped);
        }
        return new ContextPolicy(kept, dropped);
    }

    /** The same for a sequence. */
    ContextWindow window() {
        return new ContextWindow(kept, dropped);
    }
}
