package dev.isthmus.engine.tokenizer;

import java.util.Optional;

/**
 * How the text between added tokens becomes the pieces that are encoded: an optional split by GPT-2's pattern, then the
 * ByteLevel pre-tokenizer.
 *
 * @param splitsFirst whether GPT-2's pattern splits the text before ByteLevel sees it
 * @param addsPrefixSpace whether ByteLevel puts a space before what it sees, unless one is there
 * @param splitsByPattern whether ByteLevel splits by GPT-2's pattern
 */
record PreTokenization(boolean splitsFirst, boolean addsPrefixSpace, boolean splitsByPattern) {

    /** GPT-2's own. */
    static final PreTokenization GPT2 = new PreTokenization(false, false, true);

    /** Takes pieces in order. */
    interface Pieces {
        /** The characters of a text in [from, to). */
        void piece(String text, int from, int to);
    }

    /** The same with another answer on the prefix space. */
    PreTokenization withPrefixSpace(boolean adds) {
        return new PreTokenization(splitsFirst, adds, splitsByPattern);
    }

    /** The option by which this splits otherwise than GPT-2; a pattern that splits its own pieces changes nothing. */
    Optional<String> unlikeGpt2() {
        return addsPrefixSpace ? Optional.of("add_prefix_space")
                : splitsFirst || splitsByPattern ? Optional.empty() : Optional.of("no splitting by a pattern");
    }

    /** Splits the characters of a text in [from, to), at least one, into pieces. */
    void split(String text, int from, int to, Pieces pieces) {
        if (splitsFirst) {
            splitByPattern(text, from, to, (_, begin, end) -> byteLevel(text, begin, end, pieces));
        } else {
            byteLevel(text, from, to, pieces);
        }
    }

    private void byteLevel(String text, int from, int to, Pieces pieces) {
        if (addsPrefixSpace && text.charAt(from) != ' ') {
            String spaced = " " + text.substring(from, to);
            splitIfAsked(spaced, 0, spaced.length(), pieces);
        } else {
            splitIfAsked(text, from, to, pieces);
        }
    }

    private void splitIfAsked(String text, int from, int to, Pieces pieces) {
        if (splitsByPattern) {
            splitByPattern(text, from, to, pieces);
        } else {
            pieces.piece(text, from, to);
        }
    }

    private static void splitByPattern(String text, int from, int to, Pieces pieces) {
        int at = from;
        while (at < to) {
            int end = Pretokenizer.pieceEnd(text, at, to);
            pieces.piece(text, at, end);
            at = end;
        }
    }
}
