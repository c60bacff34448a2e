package dev.isthmus.engine.tokenizer;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class PretokenizerTest {

    /** GPT-2's pattern with \s written out as White_Space, which Java's \s is not. */
    private static final Pattern GPT2 = Pattern.compile(
            "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^W\\p{L}\\p{N}]+|[W]+(?![^W])|[W]+"
                    .replace("W", "\\p{IsWhite_Space}"));

    private static List<String> pieces(String text) {
        List<String> pieces = new ArrayList<>();
        for (int at = 0; at < text.length();) {
            int end = Pretokenizer.pieceEnd(text, at, text.length());
            pieces.add(text.substring(at, end));
            at = end;
        }
        return pieces;
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', ignoreLeadingAndTrailingWhitespace = false, quoteCharacter = '"', value = {
        "x's't're've'm'll'd|x/'s/'t/'re/'ve/'m/'ll/'d", "it's 12th|it/'s/ 12/th", "it'S|it/'/S",
        "we'llama|we/'ll/ama", "''s|''/s", "' s|'/ s", " 's| '/s",
        "a  b|a/ / b", "a   b|a/  / b", "a   |a/   ", " a| a", "a\t\tb|a/\t/\t/b", "!?a|!?/a", "x'|x/'", "x'l|x/'/l"})
    void textSplitsAsThePatternSays(String text, String pieces) {
        assertEquals(pieces, String.join("/", pieces(text)));
    }

    @Test
    void spacesAloneStayTogether() {
        assertEquals(List.of("   "), pieces("   "));
        assertEquals(List.of(" \n\r\n"), pieces(" \n\r\n"));
    }

    @ParameterizedTest
    @ValueSource(ints = {0x1C, 0x1F, 0x180E, 0x200B, 0x2060, 0xFEFF})
    void whatIsNoWhiteSpaceJoinsPunctuation(int character) {
        String text = "!" + Character.toString(character) + "!";
        assertEquals(List.of(text), pieces(text));
    }

    @ParameterizedTest
    @ValueSource(ints = {0x9, 0xB, 0x85, 0xA0, 0x1680, 0x2007, 0x2028, 0x202F, 0x205F, 0x3000})
    void allWhiteSpaceSplits(int character) {
        String space = Character.toString(character);
        assertEquals(List.of("!", space, "!"), pieces("!" + space + "!"));
    }

    @Test
    void aSpaceOnlyJoinsWhatFollowsWhenItIsU0020() {
        assertEquals(List.of("\u00A0", "x"), pieces("\u00A0x"));
        assertEquals(List.of(" x"), pieces(" x"));
    }

    @Test
    void everyCodePointSplitsAsThePatternSays() {
        for (int c = 0; c <= Character.MAX_CODE_POINT; c++) {
            String character = Character.toString(c);
            String text = "!" + character + "a" + character + "1" + character + " " + character;
            assertEquals(piecesOfPattern(text), pieces(text), () -> "with U+%04X".formatted(text.codePointAt(1)));
        }
    }

    @Test
    void randomTextSplitsAsThePatternSays() {
        String[] parts = {" ", "  ", "\n", "\t", "\u00A0", "'", "'s", "'ll", "l", "a", "é", "1", "½", "!", "日", "😀",
            "𝟘", "\uD800", "\uDC00", "\u0301", "\0"};
        Random random = new Random(1);
        for (int round = 0; round < 50_000; round++) {
            StringBuilder text = new StringBuilder();
            for (int i = random.nextInt(12); i >= 0; i--) {
                text.append(parts[random.nextInt(parts.length)]);
            }
            assertEquals(piecesOfPattern(text.toString()), pieces(text.toString()));
        }
    }

    private static List<String> piecesOfPattern(String text) {
        List<String> pieces = new ArrayList<>();
        Matcher matcher = GPT2.matcher(text);
        while (matcher.find()) {
            pieces.add(matcher.group());
        }
        return pieces;
    }
}
