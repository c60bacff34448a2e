package dev.isthmus.engine.tokenizer;

import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalInt;

/** GPT-2's byte-level BPE. Immutable; any thread may use it. */
public final class Tokenizer {

    private Tokenizer() {}

    /** Opens the tokenizer files of a model directory; empty where there are none. */
    public static Optional<Tokenizer> open(Path directory) {
        throw new UnsupportedOperationException();
    }

    /** The ids of a text; special tokens in it are plain text. */
    public int[] encode(String text) {
        throw new UnsupportedOperationException();
    }

    /** The ids of a text in which special tokens stand for themselves. */
    public int[] encodeWithSpecialTokens(String text) {
        throw new UnsupportedOperationException();
    }

    /** The text of ids; byte sequences that are not UTF-8 become U+FFFD. */
    public String decode(int... ids) {
        throw new UnsupportedOperationException();
    }

    /** The token as the vocabulary file writes it. */
    public String token(int id) {
        throw new UnsupportedOperationException();
    }

    /** The number of ids: one more than the largest. */
    public int vocabularySize() {
        throw new UnsupportedOperationException();
    }

    /** The id of a special token. */
    public OptionalInt specialToken(String text) {
        throw new UnsupportedOperationException();
    }

    /** A decoder for a stream of ids. */
    public StreamDecoder newStreamDecoder() {
        throw new UnsupportedOperationException();
    }
}
