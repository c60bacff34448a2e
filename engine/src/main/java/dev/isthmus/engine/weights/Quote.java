package dev.isthmus.engine.weights;

/** How text from a file appears in messages: on one line, without control characters, and not at any length. */
final class Quote {

    private static final int LIMIT = 120;

    private Quote() {}

    /** {@code text} in quotation marks. */
    static String of(String text) {
        StringBuilder quoted = new StringBuilder("\"");
        text.codePoints().limit(LIMIT).forEach(c -> {
            if (Character.isISOControl(c) || Character.getType(c) == Character.FORMAT) {
                quoted.append(String.format("\\u%04x", c));
            } else {
                quoted.appendCodePoint(c);
            }
        });
        if (text.codePointCount(0, text.length()) > LIMIT) {
            quoted.append("…");
        }
        return quoted.append('"').toString();
    }
}
