package dev.isthmus.engine.api;

import dev.isthmus.engine.checks.Arguments;
import java.util.List;

/**
 * One whole continuation of a text.
 *
 * @param ids its tokens, the end-of-text token included
 * @param text its text without end-of-text; empty where the model has no tokenizer
 * @param score what it was ranked by: larger is better
 * @param finishReason why it ended
 */
public record Completion(List<Integer> ids, String text, double score, FinishReason finishReason) {

    /** Makes the list unmodifiable. */
    public Completion {
        ids = Arguments.nonNullElements(ids, "completion", "ids");
        Arguments.nonNull(text, "completion", "text");
        Arguments.nonNull(finishReason, "completion", "finishReason");
    }
}
