package dev.isthmus.engine.session;

import dev.isthmus.engine.errors.InvalidInputException;

/**
 * What of a text stays when its context is full.
 *
 * @param kept how many tokens at the beginning are never dropped
 * @param dropped how many tokens after them are dropped at a time; 0 for none, so that a full context is an error
 */
public record ContextWindow(int kept, int dropped) {

    /** A window that does not slide. */
    public static final ContextWindow FIXED = new ContextWindow(0, 0);

    /**
     * Checks that something is left of a context.
     *
     * @throws InvalidInputException if nothing would be left
     */
    void check(int context) {
        if (dropped > 0 && kept >= context - dropped) {
            throw new InvalidInputException("context policy: the tokens kept and dropped, " + kept + " and " + dropped
                    + ", must be fewer than the model's context of " + context);
        }
    }

    /** Whether a full context forgets tokens. */
    public boolean slides() {
        return dropped > 0;
    }

    /**
     * How many tokens must go for {@code wanted} more to fit.
     *
     * @return 0 where they fit; more than there are to drop where they cannot
     */
    int toDrop(int context, int length, int wanted) {
        long excess = (long) length + wanted - context;
        if (excess <= 0) {
            return 0;
        }
        return dropped == 0 ? Integer.MAX_VALUE : Math.toIntExact(Math.ceilDiv(excess, dropped) * dropped);
    }
}
