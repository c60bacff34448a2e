package dev.isthmus.engine.api;

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
        tokens = List.copyOf(tokens);
    }

    /** {@return their text; empty where the model has no tokenizer} */
    public String text() {
        return tokens.stream().map(Token::text).collect(Collectors.joining());
    }
}
