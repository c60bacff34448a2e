package dev.isthmus.engine.tokenizer;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * GPT-2's alphabet: each of the 256 bytes has one printable character, in which vocabulary files write it. The 188
 * bytes that Latin-1 prints stand for themselves; the other 68 become U+0100, U+0101 … in ascending order
 * ({@code bytes_to_unicode} in openai/gpt-2, src/encoder.py).
 */
final class ByteAlphabet {

    private static final char[] CHARACTER = new char[256];
    private static final short[] BYTE = new short[256 + 68];

    static {
        Arrays.fill(BYTE, (short) -1);
        char shifted = 256;
        for (int b = 0; b < 256; b++) {
            boolean printable = b >= '!' && b <= '~' || b >= 0xA1 && b <= 0xAC || b >= 0xAE;
            CHARACTER[b] = printable ? (char) b : shifted++;
            BYTE[CHARACTER[b]] = (short) b;
        }
    }

    private ByteAlphabet() {}

    /** The character that stands for a byte (0 to 255). */
    static char character(int value) {
        return CHARACTER[value];
    }

    /** The byte that a character stands for, or -1 if it is not one of the alphabet. */
    static int value(int character) {
        return character < BYTE.length ? BYTE[character] : -1;
    }

    /** A text's UTF-8 in the alphabet; an unpaired surrogate counts as U+FFFD. */
    static String write(String text) {
        StringBuilder whole = new StringBuilder(text.length());
        text.codePoints().forEach(c -> whole.appendCodePoint(c >= 0xD800 && c < 0xE000 ? 0xFFFD : c));
        StringBuilder written = new StringBuilder(whole.length());
        for (byte each : whole.toString().getBytes(StandardCharsets.UTF_8)) {
            written.append(character(each & 0xFF));
        }
        return written.toString();
    }
}
