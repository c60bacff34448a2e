package dev.isthmus.engine.config;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.CheckpointException.Reason;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The top level of a config.json or generation_config.json, read as Python's json module reads it: of a repeated key
 * the last value counts, and NaN and Infinity are numbers.
 */
final class ConfigJson {

    private static final JsonFactory FACTORY = JsonFactory.builder()
            .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
            .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
            .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
            .build();

    /** What stands for an object, of which no key of ours needs the contents. */
    record Container(boolean empty) {

        @Override
        public String toString() {
            return empty ? "an empty object" : "a non-empty object";
        }
    }

    private ConfigJson() {}

    /**
     * Parses a file's text.
     *
     * @return key to value: null, Boolean, BigInteger, Double, String, Container for an object, or a List for an array
     * @throws CheckpointException if it is not a JSON object
     */
    static Map<String, Object> parse(byte[] utf8, Path file) {
        try (JsonParser json = FACTORY.createParser(
                new InputStreamReader(new ByteArrayInputStream(utf8), StandardCharsets.UTF_8))) {
            if (json.nextToken() != JsonToken.START_OBJECT) {
                throw malformed(file, "it does not begin an object", null);
            }
            Map<String, Object> values = new HashMap<>();
            while (json.nextToken() == JsonToken.FIELD_NAME) {
                String key = json.currentName();
                json.nextToken();
                values.put(key, value(json));
            }
            if (json.nextToken() != null) {
                throw malformed(file, "something follows after the object", null);
            }
            return values;
        } catch (JacksonException e) {
            // Exceptions about too deep nesting or too long numbers have no location.
            String line = e.getLocation() == null ? "" : ", at line " + e.getLocation().getLineNr();
            // Where a bracket begins that is not closed, Jackson describes the source, which for bytes says nothing.
            String reason = e.getOriginalMessage().replaceAll(" \\(start marker .*", "").replaceAll("\\p{Cntrl}", "?");
            throw malformed(file, reason + line, e);
        } catch (IOException e) {
            throw malformed(file, e.getMessage(), e);
        }
    }

    private static List<Object> array(JsonParser json) throws IOException {
        List<Object> values = new ArrayList<>();
        while (json.nextToken() != JsonToken.END_ARRAY) {
            values.add(value(json));
        }
        return values;
    }

    private static Object value(JsonParser json) throws IOException {
        return switch (json.currentToken()) {
            case VALUE_NULL -> null;
            case VALUE_TRUE -> true;
            case VALUE_FALSE -> false;
            case VALUE_STRING -> json.getText();
            case VALUE_NUMBER_INT -> new BigInteger(json.getText());
            case VALUE_NUMBER_FLOAT -> json.getDoubleValue();
            case START_ARRAY -> array(json);
            case START_OBJECT -> container(json);
            default -> throw new IllegalStateException("no value begins with " + json.currentToken());
        };
    }

    private static Container container(JsonParser json) throws IOException {
        boolean empty = true;
        for (int depth = 1; depth > 0;) {
            JsonToken token = json.nextToken();
            depth += token.isStructStart() ? 1 : token.isStructEnd() ? -1 : 0;
            empty &= depth == 0;
        }
        return new Container(empty);
    }

    private static CheckpointException malformed(Path file, String detail, Exception cause) {
        return new CheckpointException(Reason.MALFORMED, file, "expected a JSON object, found something else: " + detail
                + "; take " + file.getFileName() + " from the model's source again", cause);
    }
}
