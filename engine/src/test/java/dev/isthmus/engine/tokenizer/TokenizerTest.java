package dev.isthmus.engine.tokenizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.errors.InvalidInputException;
import dev.isthmus.engine.files.JsonFile;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.Timeout.ThreadMode;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TokenizerTest {

    private final Tokenizer gpt2 = Fixtures.gpt2();

    @Test
    void awkwardTextsHaveTheIdsOfHuggingFaceTokenizers() {
        int count = 0;
        for (Map<String, Object> each : Fixtures.records("/tokenizer/awkward.json")) {
            String text = (String) each.get("text");
            assertArrayEquals(Fixtures.ints(each, "ids"), gpt2.encode(text), () -> "encoding " + JsonFile.quoted(text));
            count++;
        }
        assertEquals(421, count);
    }

    @Test
    void allCodePointsComeBack() {
        StringBuilder all = new StringBuilder();
        for (int c = 0; c <= Character.MAX_CODE_POINT; c++) {
            if (c < Character.MIN_SURROGATE || c > Character.MAX_SURROGATE) {
                all.appendCodePoint(c);
            }
        }
        assertEquals(all.toString(), gpt2.decode(gpt2.encode(all.toString())));
    }

    @Test
    void randomTextComesBack() {
        Random random = new Random(2);
        for (int round = 0; round < 20_000; round++) {
            StringBuilder text = new StringBuilder();
            for (int i = random.nextInt(20); i > 0; i--) {
                int c = random.nextInt(random.nextBoolean() ? 0x250 : Character.MAX_CODE_POINT + 1);
                text.appendCodePoint(c >= 0xD800 && c < 0xE000 ? ' ' : c);
            }
            String expected = text.toString();
            assertEquals(expected, gpt2.decode(gpt2.encode(expected)));
            assertEquals(expected, gpt2.decode(gpt2.encodeWithSpecialTokens(expected)));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"\uD800", "\uDFFF", "a\uD800b", "\uDC00\uD800", "\uD83D\uD83D\uDE00", "x \uDE00",
        "\uD800\uDBFF"})
    void anUnpairedSurrogateIsEncodedAsTheReplacementCharacter(String text) {
        StringBuilder replaced = new StringBuilder();
        text.codePoints().forEach(c -> replaced.appendCodePoint(c >= 0xD800 && c < 0xE000 ? 0xFFFD : c));
        assertArrayEquals(gpt2.encode(replaced.toString()), gpt2.encode(text));
        assertEquals(replaced.toString(), gpt2.decode(gpt2.encode(text)));
    }

    @ParameterizedTest
    @ValueSource(strings = {"a", " ", "\n", "\r\n", "ab", "a ", "!", "!?", "1", "'", "'s", "é", "日", "😀", "\0",
        "\uD800", "<|endoftext|>"})
    @Timeout(value = 10, unit = TimeUnit.SECONDS, threadMode = ThreadMode.SEPARATE_THREAD)
    void aMillionCharactersOfOneKindEncodeInGoodTime(String part) {
        String text = part.repeat(1_000_000 / part.length());
        String expected = text.replace('\uD800', '\uFFFD');
        assertEquals(expected, gpt2.decode(gpt2.encode(text)));
        assertEquals(expected, gpt2.decode(gpt2.encodeWithSpecialTokens(text)));
    }

    @Test
    @Timeout(value = 10, unit = TimeUnit.SECONDS, threadMode = ThreadMode.SEPARATE_THREAD)
    void aMillionRandomLettersEncodeInGoodTime() {
        Random random = new Random(3);
        StringBuilder letters = new StringBuilder();
        for (int i = 0; i < 1_000_000; i++) {
            letters.append((char) ('a' + random.nextInt(26)));
        }
        assertEquals(letters.toString(), gpt2.decode(gpt2.encode(letters.toString())));
    }

    @Test
    void endOfTextIsPlainTextUnlessSpecialTokensAreAllowed() {
        assertArrayEquals(new int[] {27, 91, 437, 1659, 5239, 91, 29}, gpt2.encode("<|endoftext|>"));
        assertArrayEquals(new int[] {64, 50256, 50256, 275},
                gpt2.encodeWithSpecialTokens("a<|endoftext|><|endoftext|> b"));
        assertEquals("a<|endoftext|>", gpt2.decode(64, 50256));
        assertEquals(OptionalInt.of(50256), gpt2.specialToken("<|endoftext|>"));
        assertEquals(OptionalInt.empty(), gpt2.specialToken("<|pad|>"));
        assertEquals(OptionalInt.empty(), gpt2.specialToken("a"));
    }

    @Test
    void tokensAreWrittenAsInTheVocabularyFile() {
        assertEquals("Ġthe", gpt2.token(262));
        assertEquals("Ċ", gpt2.token(198));
        assertEquals("<|endoftext|>", gpt2.token(50256));
        assertEquals(50257, gpt2.vocabularySize());
    }

    @ParameterizedTest
    @ValueSource(ints = {-1, 50257, Integer.MAX_VALUE, Integer.MIN_VALUE})
    void anIdOutOfRangeIsRefusedByName(int id) {
        for (var call : new Executable[] {() -> gpt2.decode(1, id), () -> gpt2.token(id),
            () -> gpt2.newStreamDecoder().append(id)}) {
            String message = assertThrows(InvalidInputException.class, call).getMessage();
            assertTrue(message.contains("from 0 to 50256") && message.contains("found " + id), message);
        }
    }

    @Test
    void nothingEncodesToNothing() {
        assertArrayEquals(new int[0], gpt2.encode(""));
        assertArrayEquals(new int[0], gpt2.encodeWithSpecialTokens(""));
        assertEquals("", gpt2.decode());
    }

    @Test
    void severalThreadsMayEncodeAtOnce() {
        String text = "It's a tokenizer, 1234 times over. ".repeat(50);
        int[] expected = gpt2.encode(text);
        IntStream.range(0, 64).parallel().forEach(i -> assertArrayEquals(expected, gpt2.encode(text)));
    }
}
