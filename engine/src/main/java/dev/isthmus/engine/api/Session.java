package dev.isthmus.engine.api;

/** One text that a model reads and continues. One caller at a time. */
public final class Session implements AutoCloseable {

    private Session() {}

    /** The tokens in the context. */
    public int length() {
        throw new UnsupportedOperationException();
    }

    /** Reads a text. */
    public void append(String text) {
        throw new UnsupportedOperationException();
    }

    /** Reads tokens. */
    public void append(int... ids) {
        throw new UnsupportedOperationException();
    }

    /** Reads tokens and shows what passes between the layers. */
    public void append(int[] ids, ForwardObserver observer) {
        throw new UnsupportedOperationException();
    }

    /** Reads tokens and hands over the logits of each of their positions. */
    public void append(int[] ids, LogitsVisitor visitor) {
        throw new UnsupportedOperationException();
    }

    /** The logits of the last position: V values. */
    public float[] logits() {
        throw new UnsupportedOperationException();
    }

    /** The probabilities of the next token: V values. */
    public float[] probabilities() {
        throw new UnsupportedOperationException();
    }

    /** Forgets all but the first {@code length} tokens. */
    public void rewind(int length) {
        throw new UnsupportedOperationException();
    }

    /** Continues the text. */
    public Generation generate(GenerationOptions options) {
        throw new UnsupportedOperationException();
    }

    @Override
    public void close() {}
}
