package dev.isthmus.engine.tokenizer;

import dev.isthmus.engine.errors.InvalidInputException;

/**
 * Turns a stream of ids into text, whole characters at a time: a character that several tokens make up comes with the
 * last of them. All that {@link #append} returned and then {@link #flush} together are what
 * {@link Tokenizer#decode} makes of the same ids. Not safe for use by several threads.
 */
public final class StreamDecoder {

    private final Tokenizer tokenizer;
    private final Utf8Accumulator pending = new Utf8Accumulator();

    StreamDecoder(Tokenizer tokenizer) {
        this.tokenizer = tokenizer;
    }

    /**
     * Takes an id and returns the text that it completes; possibly empty. Bytes that can no longer become a character
     * come as U+FFFD; one of the model's ids that has no token completes nothing.
     *
     * @param id a token id
     * @return the text, never with half a character
     * @throws InvalidInputException if {@link Tokenizer#decode} refuses the id; the decoder is then as before
     */
    public String append(int id) {
        pending.add(tokenizer.bytes(id));
        return pending.takeWhole();
    }

    /**
     * {@return the rest at the end of the stream: U+FFFD for an unfinished character, else empty} The decoder is then
     * new.
     */
    public String flush() {
        return pending.takeAll();
    }
}
