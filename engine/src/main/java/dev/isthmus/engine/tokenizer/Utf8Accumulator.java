package dev.isthmus.engine.tokenizer;

import java.util.Arrays;

/**
 * Turns bytes that come in parts into text, whole characters at a time. Each longest sequence that begins a character
 * and cannot continue becomes one U+FFFD (Unicode 16, section 3.9.6, "U+FFFD Substitution of Maximal Subparts"), as in
 * Python and Rust; Java's own decoder differs where UTF-8 encodes a surrogate. Used by one thread.
 */
final class Utf8Accumulator {

    private static final char REPLACEMENT = '\uFFFD';

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
        return take(false);
    }

    /** Takes the text of all bytes. */
    String takeAll() {
        return take(true);
    }

    private String take(boolean all) {
        StringBuilder text = new StringBuilder(count);
        int at = 0;
        while (at < count) {
            int lead = bytes[at] & 0xFF;
            int length = characterLength(lead);
            int found = 1;
            while (found < length && at + found < count && continues(lead, found, bytes[at + found] & 0xFF)) {
                found++;
            }
            if (length > 0 && found == length) {
                text.appendCodePoint(character(at, length));
            } else if (found < length && at + found == count && !all) {
                break;
            } else {
                text.append(REPLACEMENT);
            }
            at += found;
        }
        System.arraycopy(bytes, at, bytes, 0, count - at);
        count -= at;
        return text.toString();
    }

    /** How many bytes a character has that begins so; 0 where none does. Table 3-7 of the Unicode standard. */
    private static int characterLength(int lead) {
        if (lead < 0x80) {
            return 1;
        }
        if (lead < 0xC2 || lead > 0xF4) {
            return 0;
        }
        return lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    }

    /** Whether a byte may follow, at a position in its character. Table 3-7 of the Unicode standard. */
    private static boolean continues(int lead, int position, int value) {
        int least = 0x80;
        int most = 0xBF;
        if (position == 1) {
            least = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : least;
            most = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : most;
        }
        return value >= least && value <= most;
    }

    private int character(int at, int length) {
        if (length == 1) {
            return bytes[at];
        }
        int character = bytes[at] & 0x7F >> length;
        for (int i = 1; i < length; i++) {
            character = character << 6 | bytes[at + i] & 0x3F;
        }
        return character;
    }
}
