package dev.isthmus.engine.api;

import dev.isthmus.engine.checks.Arguments;
import java.util.List;
import java.util.OptionalDouble;

/**
 * One generated token.
 *
 * @param id its id
 * @param text the text that it completes: whole characters only, so possibly empty or more than the token's own;
 *     always empty where the model has no tokenizer
 * @param logprob the natural logarithm of its probability by the model alone, before any option changes it; empty
 *     unless {@link GenerationOptions#logprobs} asks for it
 * @param top the likeliest tokens in its place, the likeliest first, as many as were asked for
 */
public record Token(int id, String text, OptionalDouble logprob, List<TokenLogprob> top) {

    /** Makes the list unmodifiable. */
    public Token {
        Arguments.nonNull(text, "token", "text");
        Arguments.nonNull(logprob, "token", "logprob");
        top = Arguments.nonNullElements(top, "token", "top");
    }
}
