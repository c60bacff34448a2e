package dev.isthmus.engine.tokenizer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.isthmus.engine.errors.InvalidInputException;
import java.util.HexFormat;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class StreamDecoderTest {

    private final Tokenizer gpt2 = Fixtures.gpt2();

    /** The ids of single bytes. */
    private int[] byteIds(byte... bytes) {
        int[] ids = new int[bytes.length];
        for (int i = 0; i < ids.length; i++) {
            String token = String.valueOf(ByteAlphabet.character(bytes[i] & 0xFF));
            for (int id = 0; id < 256; id++) {
                ids[i] = gpt2.token(id).equals(token) ? id : ids[i];
            }
        }
        return ids;
    }

    private String stream(int[] ids) {
        StreamDecoder decoder = gpt2.newStreamDecoder();
        StringBuilder text = new StringBuilder();
        for (int id : ids) {
            text.append(decoder.append(id));
        }
        return text.append(decoder.flush()).toString();
    }

    @Test
    void aCharacterOfSeveralTokensComesWithItsLast() {
        StreamDecoder decoder = gpt2.newStreamDecoder();
        int[] ids = byteIds((byte) 0xF0, (byte) 0x9F, (byte) 0x98, (byte) 0x80);
        assertEquals("", decoder.append(ids[0]));
        assertEquals("", decoder.append(ids[1]));
        assertEquals("", decoder.append(ids[2]));
        assertEquals("😀", decoder.append(ids[3]));
        assertEquals("", decoder.flush());
    }

    @Test
    void anUnfinishedCharacterIsReplacedWhereItCannotGoOn() {
        StreamDecoder decoder = gpt2.newStreamDecoder();
        int[] ids = byteIds((byte) 0xE2, (byte) 0x82, (byte) 'a', (byte) 0xE2, (byte) 0x82);
        assertEquals("", decoder.append(ids[0]));
        assertEquals("", decoder.append(ids[1]));
        assertEquals("\uFFFDa", decoder.append(ids[2]));
        assertEquals("", decoder.append(ids[3]));
        assertEquals("", decoder.append(ids[4]));
        assertEquals("\uFFFD", decoder.flush());
        assertEquals("", decoder.flush());
        assertEquals("a", decoder.append(ids[2]));
    }

    /** Expected: what Python's {@code bytes.fromhex(…).decode("utf-8", "replace")} gives, ? for U+FFFD. */
    @ParameterizedTest
    @CsvSource({"80, ?", "bfbf, ??", "c080, ??", "c1bf, ??", "c2, ?", "c2a9, ©", "c241, ?A", "e08080, ???",
        "e0a080, \u0800", "e080, ??", "e18041, ?A", "eda080, ???", "edbfbf, ???", "ed9fbf, \uD7FF", "ee8080, \uE000",
        "f0808080, ????", "f0908080, \uD800\uDC00", "f18080, ?", "f1808041, ?A", "f180e282ac, ?€", "f48fbfbf, \uDBFF\uDFFF",
        "f4908080, ????", "f5808080, ????", "ff41, ?A", "e3e3819f, ?た", "efbfbd, ?", "efbfbf, \uFFFF"})
    void malformedUtf8IsReplacedAsInPythonAndRust(String hex, String expected) {
        int[] ids = byteIds(HexFormat.of().parseHex(hex));
        assertEquals(expected.replace('?', '\uFFFD'), gpt2.decode(ids));
        assertEquals(expected.replace('?', '\uFFFD'), stream(ids));
    }

    @Test
    void aStreamIsWhatTheWholeDecodesTo() {
        Random random = new Random(4);
        for (int round = 0; round < 50_000; round++) {
            int[] ids = random.ints(1 + random.nextInt(8), 0, random.nextBoolean() ? 256 : 50257).toArray();
            assertEquals(gpt2.decode(ids), stream(ids));
        }
    }

    @Test
    void wellFormedTextNeverStreamsABrokenCharacter() {
        String text = "naïve 日本語 👩‍👩‍👧 🇩🇪 𐐀 \u0000 ﷽ Ω";
        StreamDecoder decoder = gpt2.newStreamDecoder();
        StringBuilder streamed = new StringBuilder();
        for (int id : gpt2.encode(text)) {
            String part = decoder.append(id);
            assertFalse(part.contains("\uFFFD"), part);
            assertFalse(!part.isEmpty() && Character.isHighSurrogate(part.charAt(part.length() - 1)), part);
            streamed.append(part);
        }
        assertEquals(text, streamed.toString());
        assertEquals("", decoder.flush());
    }

    @Test
    void aRefusedIdLeavesTheDecoderAsItWas() {
        StreamDecoder decoder = gpt2.newStreamDecoder();
        int[] ids = byteIds((byte) 0xC3, (byte) 0xA9);
        decoder.append(ids[0]);
        assertThrows(InvalidInputException.class, () -> decoder.append(-1));
        assertEquals("é", decoder.append(ids[1]));
    }
}
