package dev.isthmus.engine.scheduler;

import dev.isthmus.engine.session.TokenBuffer;

/**
 * A text that the scheduler continues for a caller, and how it ends. Any thread may call its methods, except those that
 * say otherwise. Those that end it neither allocate nor run a caller's code.
 */
public interface ScheduledRequest {

    /** How many tokens there are to continue, at least one. */
    int promptLength();

    /** The prompt and the tokens that were chosen since. Used by the scheduler's thread. */
    TokenBuffer text();

    /** Whose prefixes it shares. */
    String cacheDomain();

    /** How many tokens it may generate. */
    int maxTokens();

    /** Whether it may end before it has generated all of them. */
    boolean mayEndEarly();

    /**
     * Adds the next token to the text, hands it out and ends the request if the text has ended. Called by the
     * scheduler's thread.
     *
     * @param logits those after the last token, V values
     */
    void choose(float[] logits);

    /** Whether there is nothing more to do, also because its time is over by now. */
    boolean isEnded();

    /** Whether as many tokens are ahead of the caller as may be. Called by the scheduler's thread. */
    boolean isPaused();

    /** Whether nobody will take more tokens if {@code closer} waits. */
    boolean isLeft(Thread closer);

    /** Lets it be computed to its end, however far the caller has come. */
    void wantWhole();

    /** The nanoseconds that are left at {@code now}; the largest value where it has no deadline. */
    long nanosLeft(long now);

    /** Ends it as its caller has left it. */
    void abandon();

    /** Ends it as something went wrong. */
    void fail(Throwable failure);

    /** Completes the result of a request that has ended; may be called several times. */
    void settle();

    /** Whether its result is complete. */
    boolean isDone();
}
