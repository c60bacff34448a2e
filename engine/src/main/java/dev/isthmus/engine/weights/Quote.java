package dev.isthmus.engine.weights;

/** How text from a file appears in messages: on one line, without control characters, and not at any length. */
final class Quote {

    private static final int LIMIT = 200;

    private Quote() {}

    /** {@code text} in quotation marks. */
    static String of(String text) {
        return '"' + clean(text) + '"';
    }

    /** {@code text} with escapes for characters that do not show, cut off if it is long. */
    static String clean(String text) {
        StringBuilder clean = new StringBuilder();
        text.codePoints().limit(LIMIT).forEach(c -> {
            if (Character.isISOControl(c) || Character.getType(c) == Character.FORMAT) {
                clean.append(String.format("\\u%04x", c));
            } else {
                clean.appendCodePoint(c);
            }
        });
        return clean.append(text.codePointCount(0, text.length()) > LIMIT ? "…" : "").toString();
    }
}
