package dev.isthmus.engine.session;

/** Takes the logits of positions, one after the other. */
@FunctionalInterface
public interface RowVisitor {

    /**
     * Takes the logits of a position.
     *
     * @param position the position in the text
     * @param logits V values; valid until it returns
     */
    void row(int position, float[] logits);
}
