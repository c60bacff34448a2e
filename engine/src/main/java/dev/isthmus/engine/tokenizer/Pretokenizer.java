package dev.isthmus.engine.tokenizer;

/**
 * Splits text into the pieces that GPT-2's pattern matches:
 *
 * <pre>{@code 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+}</pre>
 *
 * <p>(openai/gpt-2, src/encoder.py). A scanner by hand, since a piece may be a megabyte long: it never backtracks by
 * more than one character and needs no stack. {@code \s} is Unicode's White_Space property, which Java's own
 * {@code \s} is not. {@code \p{L}} and {@code \p{N}} are general categories as the running JDK knows them: Unicode 16
 * in JDK 25, the same as in the Hugging Face tokenizers of its time. An unpaired surrogate counts as what it becomes,
 * U+FFFD, which is neither space nor letter nor number.
 */
final class Pretokenizer {

    private static final int SPACE = 0;
    private static final int LETTER = 1;
    private static final int NUMBER = 2;
    private static final int OTHER = 3;

    private static final int LETTERS = 1 << Character.UPPERCASE_LETTER | 1 << Character.LOWERCASE_LETTER
            | 1 << Character.TITLECASE_LETTER | 1 << Character.MODIFIER_LETTER | 1 << Character.OTHER_LETTER;
    private static final int NUMBERS = 1 << Character.DECIMAL_DIGIT_NUMBER | 1 << Character.LETTER_NUMBER
            | 1 << Character.OTHER_NUMBER;

    private Pretokenizer() {}

    /**
     * The end of the piece that begins at an index.
     *
     * @param text the text
     * @param start where the piece begins, below {@code end}; never the second half of a surrogate pair
     * @param end where the text ends for this purpose: what follows is not looked at
     * @return the index after the piece's last character, above {@code start}
     */
    static int pieceEnd(String text, int start, int end) {
        char first = text.charAt(start);
        if (first == '\'') {
            int contraction = contractionEnd(text, start + 1, end);
            if (contraction > 0) {
                return contraction;
            }
        }
        if (first == ' ' && start + 1 < end) {
            int kind = kind(text, start + 1, end);
            if (kind != SPACE) {
                return runEnd(text, start + 1, end, kind);
            }
        }
        int kind = kind(text, start, end);
        int runEnd = runEnd(text, start, end, kind);
        // \s+(?!\S) leaves the last space to the word that follows, \s+ takes a single one nevertheless.
        return kind == SPACE && runEnd < end && runEnd - start > 1 ? runEnd - 1 : runEnd;
    }

    private static int contractionEnd(String text, int at, int end) {
        if (at >= end) {
            return -1;
        }
        char first = text.charAt(at);
        if (first == 's' || first == 't' || first == 'm' || first == 'd') {
            return at + 1;
        }
        if (at + 1 >= end) {
            return -1;
        }
        char second = text.charAt(at + 1);
        boolean two = second == 'e' && (first == 'r' || first == 'v') || second == 'l' && first == 'l';
        return two ? at + 2 : -1;
    }

    private static int runEnd(String text, int from, int end, int kind) {
        int at = from;
        while (at < end && kind(text, at, end) == kind) {
            at += isPair(text, at, end) ? 2 : 1;
        }
        return at;
    }

    private static int kind(String text, int at, int end) {
        char c = text.charAt(at);
        if (c < 128) {
            return asciiKind(c);
        }
        if (Characters.isWhiteSpace(c)) {
            return SPACE;
        }
        int category = 1 << Character.getType(isPair(text, at, end) ? text.codePointAt(at) : c);
        return (category & LETTERS) != 0 ? LETTER : (category & NUMBERS) != 0 ? NUMBER : OTHER;
    }

    private static int asciiKind(char c) {
        if (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z') {
            return LETTER;
        }
        if (c == ' ' || c >= '\t' && c <= '\r') {
            return SPACE;
        }
        return c >= '0' && c <= '9' ? NUMBER : OTHER;
    }

    private static boolean isPair(String text, int at, int end) {
        return at + 1 < end && Character.isSurrogatePair(text.charAt(at), text.charAt(at + 1));
    }
}
