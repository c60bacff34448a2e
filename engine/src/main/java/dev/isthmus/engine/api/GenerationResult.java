package dev.isthmus.engine.api;

import dev.isthmus.engine.checks.Arguments;
import java.util.List;
import java.util.stream.Collectors;

/**
 * What a request to a {@link BatchingExecutor} gave.
 *
 * @param tokens the tokens generated, those of a stop string and the end-of-text token too
 * @param finishReason why they ended
 */
public record GenerationResult(List<Token> tokens, FinishReason finishReason) {

    /** Makes the list unmodifiable. */
    public GenerationResult {
        tokens = Arguments.nonNullElements(tokens, "generation result", "tokens");
        Arguments.nonNull(finishReason, "generation result", "finishReason");
    }

    /** {@return their text; empty where the model has no tokenizer} */
    public String text() {
        return tokens.stream().map(Token::text).collect(Collectors.joining());
    }
}
