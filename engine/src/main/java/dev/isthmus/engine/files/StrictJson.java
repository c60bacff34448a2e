package dev.isthmus.engine.files;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;

/**
 * Streams JSON as strictly as Rust's serde_json does: RFC 8259 without extensions, no byte order mark, no unpaired
 * surrogates, no number beyond the range of a double, at most 127 levels. A fault is a {@link Fault}.
 */
public final class StrictJson implements AutoCloseable {

    /** serde_json refuses the 128th level. */
    private static final int MAX_DEPTH = 127;

    /** An integer of this many digits is below the largest double. */
    private static final int SAFE_DIGITS = 300;

    // Names are the file's: the symbol table that Jackson shares between parsers would let a file fill it.
    private static final JsonFactory FACTORY = JsonFactory.builder()
            .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
            .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNestingDepth(MAX_DEPTH)
                    .maxNameLength(Integer.MAX_VALUE)
                    .maxStringLength(Integer.MAX_VALUE)
                    .maxNumberLength(Integer.MAX_VALUE)
                    .build())
            .build();

    /** Not JSON, or not the JSON that was expected. */
    public static final class Fault extends Exception {

        private static final long serialVersionUID = 1L;

        Fault(String message) {
            super(message);
        }

        Fault(String message, Throwable cause) {
            super(message, cause);
        }
    }

    private final JsonParser parser;

    /**
     * Starts before the first token.
     *
     * @param utf8 the text, which must be valid UTF-8
     */
    public StrictJson(byte[] utf8) throws Fault {
        try {
            // A Reader, because on bytes Jackson would guess at UTF-16 and UTF-32 and skip a byte order mark.
            parser = FACTORY.createParser(
                    new InputStreamReader(new ByteArrayInputStream(utf8), StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new Fault(e.getMessage(), e);
        }
    }

    /** The next token; null at the end of the text. */
    public JsonToken next() throws Fault {
        try {
            JsonToken token = parser.nextToken();
            if (token == JsonToken.FIELD_NAME || token == JsonToken.VALUE_STRING) {
                checkSurrogates(parser.getText());
            } else if (token == JsonToken.VALUE_NUMBER_INT || token == JsonToken.VALUE_NUMBER_FLOAT) {
                checkRange(token);
            }
            return token;
        } catch (IOException e) {
            throw new Fault("JSON error at character " + parser.currentLocation().getCharOffset() + ": "
                    + reason(e), e);
        }
    }

    /** Jackson's words without its description of the source, which for a Reader says nothing. */
    private static String reason(IOException e) {
        String message = e instanceof JacksonException known ? known.getOriginalMessage() : e.toString();
        int marker = message.indexOf(" (start marker");
        return Quote.clean(marker < 0 ? message : message.substring(0, marker));
    }

    private void checkSurrogates(String text) throws Fault {
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (Character.isHighSurrogate(c) && i + 1 < text.length() && Character.isLowSurrogate(text.charAt(i + 1))) {
                i++;
            } else if (Character.isSurrogate(c)) {
                throw fault("an unpaired surrogate in a string");
            }
        }
    }

    private void checkRange(JsonToken token) throws IOException, Fault {
        boolean wide = token == JsonToken.VALUE_NUMBER_FLOAT || parser.getTextLength() > SAFE_DIGITS;
        if (wide && Double.isInfinite(Double.parseDouble(parser.getText()))) {
            throw fault("a number out of the range of a double");
        }
    }

    /** The text of the current name, string or number. */
    public String text() throws Fault {
        try {
            return parser.getText();
        } catch (IOException e) {
            throw new Fault(reason(e), e);
        }
    }

    /** Passes over the value that the current token begins, checking it. */
    public void skip() throws Fault {
        int depth = 0;
        JsonToken token = parser.currentToken();
        while (true) {
            if (token == null) {
                throw fault("the text ends within a value");
            }
            if (token.isStructStart()) {
                depth++;
            } else if (token.isStructEnd()) {
                depth--;
            }
            if (depth == 0) {
                return;
            }
            token = next();
        }
    }

    /**
     * Reads the next token.
     *
     * @throws Fault if it is another one than {@code wanted}; the message names {@code what}
     */
    public void expect(JsonToken wanted, String what) throws Fault {
        require(next(), wanted, what);
    }

    /** Checks a token that was already read. */
    public void require(JsonToken found, JsonToken wanted, String what) throws Fault {
        if (found != wanted) {
            throw fault("expected " + words(wanted) + " for " + what + ", found " + words(found));
        }
    }

    /** The next token as the end of the text. */
    public void expectEnd() throws Fault {
        JsonToken token = next();
        if (token != null) {
            throw fault("expected nothing after the first value, found " + words(token));
        }
    }

    /** A fault at the current place. */
    public Fault fault(String message) {
        return new Fault(message + ", at character " + parser.currentLocation().getCharOffset());
    }

    /** A token in the words of a message. */
    static String words(JsonToken token) {
        return switch (token) {
            case null -> "the end of the text";
            case START_OBJECT -> "an object";
            case START_ARRAY -> "an array";
            case END_OBJECT -> "the end of the object";
            case END_ARRAY -> "the end of the array";
            case FIELD_NAME -> "a name";
            case VALUE_STRING -> "a string";
            case VALUE_NUMBER_INT -> "an integer";
            case VALUE_NUMBER_FLOAT -> "a floating point number";
            case VALUE_TRUE, VALUE_FALSE -> "a truth value";
            case VALUE_NULL -> "null";
            default -> token.toString();
        };
    }

    @Override
    public void close() {
        try {
            parser.close();
        } catch (IOException e) {
            throw new AssertionError("closing a reader over an array", e);
        }
    }
}
