package dev.isthmus.engine.tokenizer;

/** Turns a stream of ids into text, whole characters at a time. Not safe for use by several threads. */
public final class StreamDecoder {

    StreamDecoder() {}

    /** Takes an id and returns the text that it completes; possibly empty. */
    public String append(int id) {
        throw new UnsupportedOperationException();
    }

    /** The rest at the end of the stream: U+FFFD for an unfinished character, else empty. */
    public String flush() {
        throw new UnsupportedOperationException();
    }
}
