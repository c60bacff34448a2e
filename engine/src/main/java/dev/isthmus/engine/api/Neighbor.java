package dev.isthmus.engine.api;

import dev.isthmus.engine.checks.Arguments;

/**
 * A token near a point of the embedding space.
 *
 * @param id its id
 * @param text its text; empty where the model has no tokenizer
 * @param similarity the cosine of the angle between the two, -1 to 1
 */
public record Neighbor(int id, String text, double similarity) {

    /** Refuses a text that is null. */
    public Neighbor {
        Arguments.nonNull(text, "neighbor", "text");
    }
}
