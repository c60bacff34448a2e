package dev.isthmus.engine.api;

/** Takes the logits of consecutive positions. */
@FunctionalInterface
public interface LogitsVisitor {

    /**
     * Takes one position's logits.
     *
     * @param position the position in the context whose successor they predict
     * @param logits V values; the array is used again for the next call
     */
    void row(int position, float[] logits);
}
