package dev.isthmus.engine.tokenizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.isthmus.engine.files.JsonFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Files of one tokenizer in many spellings and with many options, against what tokenizers 0.23.2 makes of them:
 * {@code weights-tools/python/make_equivalent_tokenizers.py} makes equivalent.json.
 */
class EquivalentTokenizersTest {

    private static final Map<String, Object> FIXTURE = fixture();
    private static final Map<String, Object> COMMON = object(FIXTURE.get("common"));
    /** Where the script numbers the tokens that only fill the vocabulary up. */
    private static final int FILLERS = 1000;

    @TempDir
    private Path directory;

    private record Case(String name, Map<String, Object> fields) {
        @Override
        public String toString() {
            return name;
        }
    }

    private static Map<String, Object> fixture() {
        try (JsonFile json = new JsonFile(Fixtures.path("/tokenizer/equivalent.json"))) {
            return object(json.nextValue());
        }
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> object(Object value) {
        return (Map<String, Object>) value;
    }

    private static List<String> strings(Object list) {
        return ((List<?>) list).stream().map(String.class::cast).toList();
    }

    private static Stream<Case> cases() {
        return ((List<?>) FIXTURE.get("cases")).stream().map(EquivalentTokenizersTest::object)
                .map(fields -> new Case((String) fields.get("name"), fields));
    }

    private Tokenizer open(Case given) throws IOException {
        List<String> tokens = strings(COMMON.get("tokens"));
        String lack = (String) given.fields.get("lack");
        Map<String, Object> vocabulary = new LinkedHashMap<>();
        tokens.stream().filter(token -> token.chars().noneMatch(c -> lack.indexOf(c) >= 0))
                .forEach(token -> vocabulary.put(token, tokens.indexOf(token)));
        for (String more : strings(given.fields.get("add"))) {
            vocabulary.put(more, tokens.size() + strings(given.fields.get("add")).indexOf(more));
        }
        int fillers = (Integer) COMMON.get("size") - vocabulary.size();
        for (int i = 0; i < fillers; i++) {
            vocabulary.put("<unused" + i + ">", FILLERS + i);
        }
        Map<String, Object> model = new LinkedHashMap<>(Map.of("type", "BPE", "vocab", vocabulary, "merges",
                strings(COMMON.get("merges")).stream().filter(merge -> vocabulary.containsKey(merge.replace(" ", "")))
                        .toList()));
        model.putAll(object(given.fields.get("model")));
        Map<String, Object> parts = new LinkedHashMap<>();
        parts.put("pre_tokenizer", COMMON.get("byte_level"));
        parts.put("decoder", COMMON.get("byte_level"));
        parts.putAll(object(given.fields.get("parts")));
        parts.put("model", model);
        Files.writeString(directory.resolve("tokenizer.json"), Fixtures.json(parts));
        return Tokenizer.open(directory).orElseThrow();
    }

    @ParameterizedTest
    @MethodSource("cases")
    void idsAreThoseOfHuggingFaceTokenizers(Case given) throws IOException {
        Tokenizer tokenizer = open(given);
        List<?> texts = (List<?>) given.fields.get("texts");
        for (Object each : texts) {
            Map<String, Object> expected = object(each);
            String text = (String) expected.get("text");
            assertArrayEquals(Fixtures.ints(expected, "ids"), tokenizer.encode(text), text);
            assertArrayEquals(Fixtures.ints(expected, "special_ids"), tokenizer.encodeWithSpecialTokens(text), text);
        }
        assertEquals(38, texts.size());
    }
}
