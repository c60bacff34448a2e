package dev.isthmus.engine.tokenizer;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * Turns bytes that come in parts into text, whole characters at a time. Each longest sequence that begins a character
 * and cannot continue becomes one U+FFFD (Unicode 16, section 3.9.6, "U+FFFD Substitution of Maximal Subparts"),
 * which is also what a whole text decodes to in Java, Python and Rust. Used by one thread.
 */
final class Utf8Accumulator {

    private byte[] bytes = new byte[16];
    private int count;

    /** Adds bytes. */
    void add(byte[] more) {
        if (bytes.length - count < more.length) {
            bytes = Arrays.copyOf(bytes, Math.max(2 * bytes.length, count + more.length));
        }
        System.arraycopy(more, 0, bytes, count, more.length);
        count += more.length;
    }

    /** Takes the text of all bytes but those of a last character that more bytes may complete. */
    String takeWhole() {
        return take(count - unfinished());
    }

    /** Takes the text of all bytes. */
    String takeAll() {
        return take(count);
    }

    private String take(int length) {
        String text = new String(bytes, 0, length, StandardCharsets.UTF_8);
        System.arraycopy(bytes, length, bytes, 0, count - length);
        count -= length;
        return text;
    }

    /** The number of bytes at the end that are a beginning of a character, 0 to 3. */
    private int unfinished() {
        for (int length = 1; length <= Math.min(3, count); length++) {
            int lead = bytes[count - length] & 0xFF;
            if (lead >= 0xC0) {
                return length < characterLength(lead) && (length == 1 || secondFits(lead, bytes[count - length + 1]))
                        ? length : 0;
            }
            if (lead < 0x80) {
                return 0;
            }
        }
        return 0;
    }

    /** How many bytes a character has that begins so; 0 where none does. Table 3-7 of the Unicode standard. */
    private static int characterLength(int lead) {
        if (lead < 0xC2 || lead > 0xF4) {
            return 0;
        }
        return lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    }

    private static boolean secondFits(int lead, byte secondByte) {
        int second = secondByte & 0xFF;
        return switch (lead) {
            case 0xE0 -> second >= 0xA0;
            case 0xED -> second <= 0x9F;
            case 0xF0 -> second >= 0x90;
            case 0xF4 -> second <= 0x8F;
            default -> true;
        };
    }
}
