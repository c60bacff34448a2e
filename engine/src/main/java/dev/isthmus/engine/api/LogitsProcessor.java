package dev.isthmus.engine.api;

/**
 * A rule of the caller's own on what may come next, applied behind the rules that {@link GenerationOptions} name and
 * before temperature and truncation. One that keeps no state may be part of options that several threads use.
 */
@FunctionalInterface
public interface LogitsProcessor {

    /**
     * Changes the logits of the next token. What it throws ends the generation and reaches the caller. It must not call
     * the session.
     *
     * @param tokens the prompt and what was generated so far; a copy
     * @param logits V values, log-probabilities in a beam search; to be changed in place. -∞ excludes a token
     */
    void process(int[] tokens, float[] logits);
}
