package dev.isthmus.engine.tokenizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.isthmus.engine.errors.InvalidInputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Special tokens that only a model's configuration files name, against AutoTokenizer of transformers 5.18:
 * {@code weights-tools/python/make_special_token_fixture.py} makes special.json.
 */
class SpecialTokensTest {

    private static final Path SMALL = Fixtures.path("/tokenizer/small");

    @TempDir
    private Path directory;

    private record Case(Map<String, Object> fields) {
        @Override
        public String toString() {
            return fields.get("name") + ", " + fields.get("base");
        }
    }

    private static Stream<Case> cases() {
        return Fixtures.records("/tokenizer/special.json").stream().map(Case::new);
    }

    private void writeVocabulary(String base) throws IOException {
        if (base.equals("json")) {
            String whole = Files.readString(SMALL.resolve("tokenizer.json"));
            Files.writeString(directory.resolve("tokenizer.json"),
                    whole.replaceAll("\"added_tokens\":\\[.*?}],", ""));
        } else {
            for (String name : List.of("vocab.json", "merges.txt")) {
                Files.copy(SMALL.resolve(name), directory.resolve(name));
            }
        }
    }

    private Tokenizer open() {
        return Tokenizer.open(directory).orElseThrow();
    }

    @ParameterizedTest
    @MethodSource("cases")
    void namedTokensGetAutoTokenizersIds(Case given) throws IOException {
        writeVocabulary((String) given.fields.get("base"));
        for (Map.Entry<?, ?> file : ((Map<?, ?>) given.fields.get("files")).entrySet()) {
            Files.writeString(directory.resolve((String) file.getKey()), Fixtures.json(file.getValue()));
        }
        Tokenizer tokenizer = open();
        Map<Object, Object> found = new TreeMap<>();
        for (int id = 500; id < tokenizer.vocabularySize(); id++) {
            found.put(tokenizer.token(id), id);
        }
        assertEquals(new TreeMap<>((Map<?, ?>) given.fields.get("tokens")), found);
        List<?> texts = (List<?>) given.fields.get("texts");
        for (Object each : texts) {
            @SuppressWarnings("unchecked")
            Map<String, Object> text = (Map<String, Object>) each;
            assertArrayEquals(Fixtures.ints(text, "ids"),
                    tokenizer.encodeWithSpecialTokens((String) text.get("text")), (String) text.get("text"));
        }
        assertEquals(3, texts.size());
    }

    @Test
    void idsOfTheModelWithoutATokenAreEmptyText() throws IOException {
        writeVocabulary("pair");
        Files.writeString(directory.resolve("config.json"), "{\"vocab_size\": 512}");
        Tokenizer tokenizer = open();
        int th = tokenizer.encode("th")[0];
        assertEquals("thth", tokenizer.decode(500, th, 511, th));
        assertFalse(tokenizer.hasToken(511));
        StreamDecoder decoder = tokenizer.newStreamDecoder();
        int[] accented = tokenizer.encode("é");
        assertEquals("", decoder.append(accented[0]));
        assertEquals("", decoder.append(505));
        assertEquals("é", decoder.append(accented[1]));
        for (int id : new int[] {-1, 512}) {
            assertThrows(InvalidInputException.class, () -> tokenizer.decode(id));
        }
    }

    @Test
    void gapsWithinTheVocabularyAreEmptyTextToo() throws IOException {
        Files.writeString(directory.resolve("vocab.json"), "{\"a\": 0, \"b\": 9}");
        Files.writeString(directory.resolve("merges.txt"), "");
        Files.writeString(directory.resolve("config.json"), "{\"vocab_size\": 8}");
        assertEquals("aab", open().decode(0, 7, 0, 9));
        assertThrows(InvalidInputException.class, () -> open().decode(8));
    }

    @Test
    void anAddedTokenOfTheVocabularyStandsForItsText() throws IOException {
        Files.writeString(directory.resolve("vocab.json"), "{\"Ċ\": 0, \"<é>\": 1, \"Ġ\": 2, \"ĠĊ\": 3}");
        Files.writeString(directory.resolve("merges.txt"), "Ġ Ċ");
        Files.writeString(directory.resolve("special_tokens_map.json"),
                "{\"eos_token\": \"Ċ\", \"pad_token\": \"<é>\", \"mask_token\": \"ĠĊ\"}");
        assertEquals("\n<é> \n", open().decode(0, 1, 3));
        assertEquals(OptionalInt.of(1), open().specialToken("<é>"));
    }
}
