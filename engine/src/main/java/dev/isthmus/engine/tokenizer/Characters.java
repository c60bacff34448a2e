package dev.isthmus.engine.tokenizer;

/** The classes of characters that the regular expressions of Hugging Face tokenizers name, by the JDK's Unicode data. */
final class Characters {

    private static final int MARKS_DIGITS_CONNECTORS = 1 << Character.NON_SPACING_MARK | 1 << Character.ENCLOSING_MARK
            | 1 << Character.COMBINING_SPACING_MARK | 1 << Character.DECIMAL_DIGIT_NUMBER
            | 1 << Character.CONNECTOR_PUNCTUATION;

    private static final int ZERO_WIDTH_NON_JOINER = 0x200C;
    private static final int ZERO_WIDTH_JOINER = 0x200D;

    private Characters() {}

    /** {@code \s}: Unicode's White_Space (PropList.txt), all of which lies in the basic plane. */
    static boolean isWhiteSpace(int c) {
        return c == ' ' || c >= '\t' && c <= '\r' || c == 0x85 || c == 0xA0 || c == 0x1680
                || c >= 0x2000 && c <= 0x200A || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F
                || c == 0x3000;
    }

    /** {@code \w}: letters, marks, decimal digits, connectors and joiners (annex C of Unicode's UTS #18). */
    static boolean isWord(int codePoint) {
        return Character.isAlphabetic(codePoint)
                || (1 << Character.getType(codePoint) & MARKS_DIGITS_CONNECTORS) != 0
                || codePoint == ZERO_WIDTH_NON_JOINER || codePoint == ZERO_WIDTH_JOINER;
    }
}
