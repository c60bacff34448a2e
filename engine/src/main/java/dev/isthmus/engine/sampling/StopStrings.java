package dev.isthmus.engine.sampling;

import dev.isthmus.engine.errors.InvalidInputException;
import java.util.Arrays;
import java.util.List;

/**
 * Ends a text that comes in pieces at the first of several stop strings, wherever the pieces' borders lie. The match
 * that is complete first counts; of several that end at the same character, the longest. What may yet become part of a
 * match is held back. Takes linear time. Not safe for use by several threads.
 */
public final class StopStrings {

    private final String[] strings;
    /** For each string and each length, the length of the longest shorter prefix that is a suffix of that prefix. */
    private final int[][] fallbacks;
    /** For each string, the length of its longest prefix that the text so far ends with (Knuth, Morris, Pratt). */
    private final int[] matched;
    /** What is held back is a prefix of one of the strings: which, and of what length. */
    private int held = -1;
    private int heldLength;
    private boolean stopped;

    /**
     * Makes one.
     *
     * @param strings what ends the text; none to never end it
     * @throws InvalidInputException if one is empty
     */
    public StopStrings(List<String> strings) {
        this.strings = strings.toArray(String[]::new);
        fallbacks = new int[this.strings.length][];
        matched = new int[this.strings.length];
        for (int s = 0; s < fallbacks.length; s++) {
            if (this.strings[s].isEmpty()) {
                throw new InvalidInputException("generation: a stop string must not be empty");
            }
            fallbacks[s] = fallbacks(this.strings[s]);
        }
    }

    /**
     * Takes a piece of text.
     *
     * @param piece the next characters; may be empty
     * @return what can be shown now: never part of a stop string; the rest is held back. Empty once stopped
     */
    public String accept(String piece) {
        if (stopped) {
            return "";
        }
        for (int i = 0; i < piece.length(); i++) {
            int match = advance(piece.charAt(i));
            if (match > 0) {
                stopped = true;
                return release(piece, heldLength + i + 1 - match, -1);
            }
        }
        int longest = -1;
        for (int s = 0; s < matched.length; s++) {
            if (matched[s] > (longest < 0 ? 0 : matched[longest])) {
                longest = s;
            }
        }
        return release(piece, heldLength + piece.length() - (longest < 0 ? 0 : matched[longest]), longest);
    }

    /**
     * The first characters of what is held back and the piece after it; from then on, what a string has matched is
     * held back.
     */
    private String release(String piece, int length, int nextHeld) {
        String shown = length <= heldLength ? heldText(length)
                : heldText(heldLength) + piece.substring(0, length - heldLength);
        held = nextHeld;
        heldLength = nextHeld < 0 ? 0 : matched[nextHeld];
        return shown;
    }

    private String heldText(int length) {
        return length == 0 ? "" : strings[held].substring(0, length);
    }

    /** Whether a stop string has appeared. */
    public boolean stopped() {
        return stopped;
    }

    /**
     * The end of the text when no more comes: what was held back, empty once stopped. A piece accepted later does not
     * continue it.
     */
    public String flush() {
        Arrays.fill(matched, 0);
        return release("", heldLength, -1);
    }

    /** Advances all strings by a character; returns the length of the longest that it completes, else 0. */
    private int advance(char c) {
        int longest = 0;
        for (int s = 0; s < strings.length; s++) {
            String string = strings[s];
            int length = matched[s];
            while (length > 0 && string.charAt(length) != c) {
                length = fallbacks[s][length];
            }
            length += string.charAt(length) == c ? 1 : 0;
            matched[s] = length;
            longest = length == string.length() ? Math.max(longest, length) : longest;
        }
        return longest;
    }

    private static int[] fallbacks(String string) {
        int[] fallback = new int[string.length() + 1];
        int length = 0;
        for (int i = 1; i < string.length(); i++) {
            while (length > 0 && string.charAt(length) != string.charAt(i)) {
                length = fallback[length];
            }
            length += string.charAt(length) == string.charAt(i) ? 1 : 0;
            fallback[i + 1] = length;
        }
        return fallback;
    }
}
