package dev.isthmus.engine.tokenizer;

import dev.isthmus.engine.files.JsonFile;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/** The tokenizer tests' resources. */
final class Fixtures {

    private static Tokenizer gpt2;

    private Fixtures() {}

    static Path path(String resource) {
        try {
            return Path.of(Fixtures.class.getResource(resource).toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    /** GPT-2's own tokenizer. */
    static synchronized Tokenizer gpt2() {
        if (gpt2 == null) {
            gpt2 = Tokenizer.open(path("/gpt2")).orElseThrow();
        }
        return gpt2;
    }

    /** The objects of a JSON list. */
    @SuppressWarnings("unchecked")
    static List<Map<String, Object>> records(String resource) {
        try (JsonFile json = new JsonFile(path(resource))) {
            return (List<Map<String, Object>>) json.nextValue();
        }
    }

    /** A list of whole numbers of a record. */
    static int[] ints(Map<String, Object> fields, String name) {
        return ((List<?>) fields.get(name)).stream().mapToInt(each -> (Integer) each).toArray();
    }

    /** A value as JSON. */
    static String json(Object value) {
        return switch (value) {
            case Map<?, ?> map -> map.entrySet().stream().map(entry -> json(entry.getKey()) + ":"
                    + json(entry.getValue())).collect(Collectors.joining(",", "{", "}"));
            case List<?> list -> list.stream().map(Fixtures::json)
                    .collect(Collectors.joining(",", "[", "]"));
            case String text -> '"' + text.replace("\\", "\\\\").replace("\"", "\\\"") + '"';
            case null, default -> String.valueOf(value);
        };
    }
}
