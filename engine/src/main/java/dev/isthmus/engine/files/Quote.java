package dev.isthmus.engine.files;

import java.util.Set;

/** How text from a file appears in messages: on one line, without control characters, and not at any length. */
public final class Quote {

    private static final int LIMIT = 200;

    private static final Set<Integer> HIDDEN = Set.of((int) Character.FORMAT, (int) Character.SURROGATE,
            (int) Character.LINE_SEPARATOR, (int) Character.PARAGRAPH_SEPARATOR);

    private Quote() {}

    /** {@code text} in quotation marks. */
    public static String of(String text) {
        return '"' + clean(text) + '"';
    }

    /** {@code text} with escapes for characters that do not show, cut off if it is long. */
    public static String clean(String text) {
        StringBuilder clean = new StringBuilder();
        text.codePoints().limit(LIMIT).forEach(c -> {
            if (Character.isISOControl(c) || HIDDEN.contains(Character.getType(c))) {
                clean.append(String.format("\\u%04x", c));
            } else {
                clean.appendCodePoint(c);
            }
        });
        return clean.append(text.codePointCount(0, text.length()) > LIMIT ? "…" : "").toString();
    }
}
