package dev.isthmus.engine.files;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import dev.isthmus.engine.checks.Interrupts;
import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.CheckpointException.Reason;
import java.io.IOException;
import java.io.Reader;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** One JSON file being read token by token; each fault is a {@link CheckpointException} that says where it is. */
public final class JsonFile implements AutoCloseable {

    /** As serde_json, with which Hugging Face tokenizers read; values within values are read recursively. */
    private static final int MAX_DEPTH = 127;

    // Interning and canonicalizing names pays for keys that come again, and a vocabulary's never do.
    private static final JsonFactory FACTORY = JsonFactory.builder()
            .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
            .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
            .disable(JsonFactory.Feature.FAIL_ON_SYMBOL_HASH_OVERFLOW)
            .streamReadConstraints(StreamReadConstraints.builder().maxNestingDepth(MAX_DEPTH).build())
            .build();

    private final Path file;
    private final JsonParser parser;

    /**
     * Opens a file, before its first token.
     *
     * @throws CheckpointException as {@link TextFile#open}
     */
    public JsonFile(Path file) {
        this.file = file;
        // A Reader, because on bytes Jackson would guess at UTF-16 and UTF-32 and skip a byte order mark.
        Reader text = TextFile.open(file);
        try {
            parser = FACTORY.createParser(text);
        } catch (IOException e) {
            throw Interrupts.orElse(e, file + ": reading it", () -> new CheckpointException(Reason.UNREADABLE, file,
                    "cannot be read as JSON: " + e.getMessage(), e));
        }
    }

    /** The file that is read. */
    public Path file() {
        return file;
    }

    /** The next token; null at the end of the file. */
    public JsonToken next() {
        try {
            return parser.nextToken();
        } catch (IOException e) {
            throw notJson(e);
        }
    }

    /** Goes on to the next token, which must be the start of an object. */
    public void nextObject(String what) {
        JsonToken found = next();
        if (found != JsonToken.START_OBJECT) {
            throw malformed(what + " must be an object, found " + found);
        }
    }

    /** Goes on to the next name of the object at hand; null at its end. */
    public String nextName() {
        return next() == JsonToken.END_OBJECT ? null : text();
    }

    /** Fails unless the file ends here. */
    public void end() {
        JsonToken found = next();
        if (found != null) {
            throw malformed("expected the end of the file, found " + found);
        }
    }

    /** The text of the name or string at hand; it has no unpaired surrogates. */
    public String text() {
        String text;
        try {
            text = parser.getText();
        } catch (IOException e) {
            throw notJson(e);
        }
        for (int i = 0; i < text.length(); i++) {
            if (Character.isSurrogate(text.charAt(i)) && !Character.isSupplementaryCodePoint(text.codePointAt(i++))) {
                throw malformed("a string has an unpaired surrogate");
            }
        }
        return text;
    }

    /** Reads the next value whole: Map, List, String, Number, Boolean or null. */
    public Object nextValue() {
        return value(next());
    }

    /** The value that begins with the token at hand. */
    public Object value(JsonToken token) {
        if (token == null) {
            throw malformed("ends too early");
        }
        return switch (token) {
            case START_OBJECT -> {
                Map<String, Object> object = new LinkedHashMap<>();
                for (String name = nextName(); name != null; name = nextName()) {
                    object.put(name, nextValue());
                }
                yield object;
            }
            case START_ARRAY -> {
                List<Object> array = new ArrayList<>();
                for (JsonToken each = next(); each != JsonToken.END_ARRAY; each = next()) {
                    array.add(value(each));
                }
                yield array;
            }
            case VALUE_STRING -> text();
            case VALUE_TRUE -> Boolean.TRUE;
            case VALUE_FALSE -> Boolean.FALSE;
            case VALUE_NULL -> null;
            case VALUE_NUMBER_INT, VALUE_NUMBER_FLOAT -> number();
            default -> throw malformed("expected a value, found " + token);
        };
    }

    private Number number() {
        try {
            return parser.getNumberValue();
        } catch (IOException e) {
            throw notJson(e);
        }
    }

    /** Skips the next value. */
    public void skipNext() {
        int depth = 0;
        do {
            JsonToken token = next();
            if (token == null) {
                throw malformed("ends too early");
            }
            depth += token.isStructStart() ? 1 : token.isStructEnd() ? -1 : 0;
        } while (depth > 0);
    }

    /** Without the exception's own text on the place, which may quote the file at any length. */
    private RuntimeException notJson(IOException e) {
        if (!(e instanceof JsonProcessingException json)) {
            return Interrupts.orElse(e, file + ": reading it", () -> {
                // Says where the file is not UTF-8.
                TextFile.read(file);
                return new CheckpointException(Reason.UNREADABLE, file, "cannot be read as JSON: " + e.getMessage(), e);
            });
        }
        String message = json.getOriginalMessage().replaceAll(" \\(start marker .*", "");
        return new CheckpointException(Reason.MALFORMED, file, "is not valid JSON" + place(parser.currentLocation())
                + ": " + (message.length() > 200 ? message.substring(0, 200) + "…" : message), e);
    }

    /** The exception for a fault at the token at hand. */
    public CheckpointException malformed(String detail) {
        return new CheckpointException(Reason.MALFORMED, file, detail + place(parser.currentTokenLocation()));
    }

    private static String place(JsonLocation location) {
        return location == null ? "" : " at line " + location.getLineNr() + ", column " + location.getColumnNr();
    }

    /** A text for a message, shortened. */
    public static String quoted(String text) {
        return '"' + (text.length() > 60 ? text.substring(0, 60) + "…" : text) + '"';
    }

    @Override
    public void close() {
        try {
            parser.close();
        } catch (IOException e) {
            throw new CheckpointException(Reason.UNREADABLE, file, "cannot be closed: " + e.getMessage(), e);
        }
    }
}
