package dev.isthmus.engine.tokenizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.CheckpointException.Reason;
import dev.isthmus.engine.errors.InvalidInputException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TokenizerFilesTest {

    private static final Path SMALL = Fixtures.path("/tokenizer/small");
    private static final String PARTS = "'pre_tokenizer':{'type':'ByteLevel','add_prefix_space':false},"
            + "'decoder':{'type':'ByteLevel'}";
    private static final String MODEL = "'type':'BPE','vocab':{'a':0,'b':1,'ab':2},'merges':['a b']";
    private static final String GOOD = "{" + PARTS + ",'model':{" + MODEL + "}}";

    @TempDir
    private Path directory;

    private void write(String name, String content) throws IOException {
        Files.writeString(directory.resolve(name), content);
    }

    private void writeVocabulary(String vocabulary, String merges) throws IOException {
        write("vocab.json", vocabulary.replace('\'', '"'));
        write("merges.txt", merges);
    }

    private Tokenizer open() {
        return Tokenizer.open(directory).orElseThrow();
    }

    private void assertRefused(String file, String... message) {
        CheckpointException e = assertThrows(CheckpointException.class, this::open);
        assertEquals(Reason.MALFORMED, e.reason(), e.getMessage());
        assertEquals(directory.resolve(file), e.file());
        for (String part : message) {
            assertTrue(e.getMessage().contains(part), () -> e.getMessage() + " should contain " + part);
        }
    }

    @Test
    void bothFileLayoutsEncodeAlike() throws IOException {
        for (String name : new String[] {"vocab.json", "merges.txt"}) {
            Files.copy(SMALL.resolve(name), directory.resolve(name));
        }
        Tokenizer pair = open();
        Files.delete(directory.resolve("vocab.json"));
        Files.delete(directory.resolve("merges.txt"));
        String json = Files.readString(SMALL.resolve("tokenizer.json"));
        write("tokenizer.json", json.replaceAll("\"added_tokens\":\\[.*?}],", ""));
        Tokenizer one = open();
        assertEquals(500, pair.vocabularySize());
        assertEquals(500, one.vocabularySize());
        for (Map<String, Object> each : Fixtures.records("/tokenizer/awkward.json")) {
            String text = (String) each.get("text");
            int[] ids = pair.encode(text);
            assertArrayEquals(ids, one.encode(text));
            assertEquals(text, one.decode(ids));
        }
    }

    @Test
    void addedTokensSplitTextAsInHuggingFaceTokenizers() {
        Tokenizer small = Tokenizer.open(SMALL).orElseThrow();
        int count = 0;
        for (Map<String, Object> each : Fixtures.records("/tokenizer/small/expected.json")) {
            String text = (String) each.get("text");
            assertArrayEquals(Fixtures.ints(each, "ids"), small.encode(text), text);
            assertArrayEquals(Fixtures.ints(each, "special_ids"), small.encodeWithSpecialTokens(text), text);
            assertEquals(text, small.decode(small.encodeWithSpecialTokens(text)));
            count++;
        }
        assertEquals(250, count);
        assertEquals(OptionalInt.of(500), small.specialToken("<a>"));
        assertEquals(OptionalInt.empty(), small.specialToken("<b>"));
        assertEquals(507, small.vocabularySize());
    }

    @Test
    void mergesMayBeStringsOrPairs() throws IOException {
        write("tokenizer.json", GOOD.replace('\'', '"'));
        assertArrayEquals(new int[] {2, 0}, open().encode("aba"));
        write("tokenizer.json", GOOD.replace("'a b'", "['a','b']").replace('\'', '"'));
        assertArrayEquals(new int[] {2, 0}, open().encode("aba"));
    }

    @Test
    void theModelsMergesMayComeBeforeItsVocabulary() throws IOException {
        write("tokenizer.json", ("{'model':{'merges':['#version: 0.2','a b'],'vocab':{'a':0,'b':1,'ab':2}}," + PARTS
                + "}").replace('\'', '"'));
        assertArrayEquals(new int[] {2, 0}, open().encode("aba"));
    }

    @Test
    void tokenizerJsonWinsOverVocabAndMerges() throws IOException {
        writeVocabulary("{'a':7}", "");
        write("tokenizer.json", GOOD.replace('\'', '"'));
        assertArrayEquals(new int[] {0}, open().encode("a"));
    }

    @Test
    void aDirectoryWithoutTokenizerFilesHasNoTokenizer() throws IOException {
        assertEquals(Optional.empty(), Tokenizer.open(directory));
        write("tokenizer_config.json", "not JSON");
        assertEquals(Optional.empty(), Tokenizer.open(directory));
        assertEquals(Optional.empty(), Tokenizer.open(directory.resolve("absent")));
    }

    @ParameterizedTest
    @CsvSource({"vocab.json, merges.txt", "merges.txt, vocab.json"})
    void oneFileOfThePairAloneIsRefused(String present, String missing) throws IOException {
        write(present, "{}");
        CheckpointException e = assertThrows(CheckpointException.class, this::open);
        assertEquals(Reason.MISSING_FILE, e.reason());
        assertEquals(directory.resolve(missing), e.file());
    }

    @Test
    void aFileThatCannotBeReadIsRefused() throws IOException {
        Files.createDirectory(directory.resolve("tokenizer.json"));
        CheckpointException e = assertThrows(CheckpointException.class, this::open);
        assertEquals(Reason.UNREADABLE, e.reason());
        assertEquals(directory.resolve("tokenizer.json"), e.file());
    }

    @Test
    void aLinkThatLeadsNowhereIsRefused() throws IOException {
        writeVocabulary("{'a':0}", "");
        Files.createSymbolicLink(directory.resolve("tokenizer.json"), Path.of("absent"));
        CheckpointException e = assertThrows(CheckpointException.class, this::open);
        assertEquals(Reason.MISSING_FILE, e.reason());
        assertEquals(directory.resolve("tokenizer.json"), e.file());
    }

    @Test
    void aTokenizerOpensFromAZipFile() throws IOException {
        try (FileSystem zip = FileSystems.newFileSystem(directory.resolve("model.zip"), Map.of("create", "true"))) {
            for (String name : new String[] {"vocab.json", "merges.txt"}) {
                Files.copy(SMALL.resolve(name), zip.getPath("/" + name));
            }
            assertEquals(500, Tokenizer.open(zip.getPath("/")).orElseThrow().vocabularySize());
        }
    }

    @ParameterizedTest
    @CsvSource(quoteCharacter = '~', delimiter = '|', value = {
        "''|ends too early",
        "{|line 1, column",
        "{'a':0,}|line 1, column",
        "{'a':0} x|Unrecognized token",
        "{'a':0}{}|expected the end of the file",
        "['a']|must be an object",
        "{}|the vocabulary is empty",
        "{'a':-1}|from 0 to 4194303, found \"-1\"",
        "{'a':4194304}|found \"4194304\"",
        "{'a':99999999999}|found \"99999999999\"",
        "{'a':1.5}|found \"1.5\"",
        "{'a':1e1}|found \"10.0\"",
        "{'a':'0'}|found \"0\"",
        "{'a':null}|found \"null\"",
        "{'a':[0]}|found \"[0]\"",
        "{'a':0,'b':0}|the tokens \"a\" and \"b\" have the same id 0",
        "{'\\ud800':0}|surrogate",
        "{'x\\udc00y':0}|surrogate"})
    void aMalformedVocabularyIsRefused(String vocabulary, String message) throws IOException {
        writeVocabulary(vocabulary.equals("''") ? "" : vocabulary, "");
        CheckpointException e = assertThrows(CheckpointException.class, this::open);
        assertEquals(Reason.MALFORMED, e.reason(), e.getMessage());
        assertEquals(directory.resolve("vocab.json"), e.file());
        assertTrue(e.getMessage().contains(message) || vocabulary.equals("''"), e.getMessage());
    }

    @ParameterizedTest
    @CsvSource(ignoreLeadingAndTrailingWhitespace = false, delimiter = '|', value = {
        "a|line 1 must be two tokens", "a b c|line 1 must be two tokens",
        "#version: 0.2\\n\\na b|line 2 must be two tokens", "a b\\nb c|line 2 (\"b\" \"c\") needs the token \"c\"",
        "c b|needs the token \"c\"", "b a|needs the token \"ba\"", "a |needs the token \"\"",
        "a b\\n#x y|needs the token \"#x\"", "a\\tb|line 1 must be two tokens"})
    void malformedMergesAreRefused(String merges, String message) throws IOException {
        writeVocabulary("{'a':0,'b':1,'ab':2}", merges.replace("\\n", "\n").replace("\\t", "\t"));
        assertRefused("merges.txt", message);
    }

    @Test
    void mergesMayHaveWindowsLineEndsAndNoneAtTheLast() throws IOException {
        writeVocabulary("{'a':0,'b':1,'ab':2,'aba':3}", "#version: 0.2\r\na b\r\nab a");
        assertArrayEquals(new int[] {3}, open().encode("aba"));
    }

    @Test
    void aMergeThatBeginsLikeACommentIsNone() throws IOException {
        writeVocabulary("{'#':0,'##':1}", "#version: 0.2\n# #\n");
        assertArrayEquals(new int[] {1}, open().encode("##"));
    }

    @Test
    void idsMayHaveGapsAndDecodingOneIsRefused() throws IOException {
        writeVocabulary("{'a':1,'b':5,'ab':100000}", "a b");
        Tokenizer tokenizer = open();
        assertEquals(100001, tokenizer.vocabularySize());
        assertArrayEquals(new int[] {100000, 5}, tokenizer.encode("abb"));
        for (int id : new int[] {0, 2, 99999}) {
            String message = assertThrows(InvalidInputException.class, () -> tokenizer.decode(id)).getMessage();
            assertTrue(message.contains("no token for id " + id), message);
        }
    }

    @Test
    void aTokenOutsideTheByteAlphabetStandsForItself() throws IOException {
        writeVocabulary("{'a':0,'日本 ':1,'Ġ€':2}", "");
        assertEquals("a日本 Ġ€", open().decode(0, 1, 2));
        assertEquals("日本 ", open().token(1));
    }

    @Test
    void anAddedTokenStandsForItsTextWhateverItsCharacters() throws IOException {
        writeVocabulary("{'a':0}", "");
        write("added_tokens.json", "{\"[é]\":1}");
        assertArrayEquals(new int[] {0, 1}, open().encode("a[é]"));
        assertEquals("a[é]", open().decode(0, 1));
    }

    @Test
    void sideFilesNameAddedAndSpecialTokens() throws IOException {
        writeVocabulary("{'a':0,'<s>':1,'<pad>':2,'<|endoftext|>':3,'b':4}", "");
        write("added_tokens.json", "{\"[x]\":9}");
        write("tokenizer_config.json", """
                {"eos_token": "<s>", "pad_token": {"content": "<pad>"}, "unk_token": null, "model_max_length": 1e30,
                 "added_tokens_decoder": {"9": {"content": "[x]", "special": true}, "11": {"content": "[y]"}}}""");
        write("special_tokens_map.json", "{\"additional_special_tokens\": [\"b\", \"[absent]\"]}");
        Tokenizer tokenizer = open();
        assertEquals(12, tokenizer.vocabularySize());
        String[] special = {"<s>", "<pad>", "<|endoftext|>", "[x]", "b"};
        int[] ids = {1, 2, 3, 9, 4};
        for (int i = 0; i < ids.length; i++) {
            assertEquals(OptionalInt.of(ids[i]), tokenizer.specialToken(special[i]));
            assertArrayEquals(new int[] {0, ids[i], 0}, tokenizer.encodeWithSpecialTokens("a" + special[i] + "a"));
        }
        assertEquals(OptionalInt.empty(), tokenizer.specialToken("[absent]"));
        assertEquals(OptionalInt.empty(), tokenizer.specialToken("[y]"));
        assertArrayEquals(new int[] {11, 4}, tokenizer.encode("[y]b"));
    }

    @ParameterizedTest
    @CsvSource(quoteCharacter = '~', delimiter = '|', value = {
        "added_tokens.json|[]|must be an object", "added_tokens.json|{'x':'y'}|the id of token \"x\"",
        "added_tokens.json|{'a':5}|the vocabulary gives it 0",
        "tokenizer_config.json|{'add_prefix_space':1}|add_prefix_space must be true or false",
        "tokenizer_config.json|{'added_tokens_decoder':[]}|must be an object",
        "tokenizer_config.json|{'added_tokens_decoder':{'x':{'content':'a'}}}|found the key \"x\"",
        "tokenizer_config.json|{'added_tokens_decoder':{'0':'a'}}|must be an object with its content",
        "tokenizer_config.json|{'eos_token':3}|eos_token must be a token",
        "special_tokens_map.json|{'mask_token':true}|mask_token must be a token",
        "special_tokens_map.json|{'eos_token':|line 1, column"})
    void malformedSideFilesAreRefused(String file, String content, String message) throws IOException {
        writeVocabulary("{'a':0}", "");
        write(file, content.replace('\'', '"'));
        assertRefused(file, message);
    }

    @Test
    void anyTruncationGivesATokenizerOrATypedError() throws IOException {
        byte[] content = Files.readAllBytes(SMALL.resolve("tokenizer.json"));
        for (int length = 0; length < content.length - 1; length += 29) {
            Files.write(directory.resolve("tokenizer.json"), Arrays.copyOf(content, length));
            assertThrows(CheckpointException.class, this::open);
        }
    }

    @Test
    void anyChangedByteGivesATokenizerOrATypedError() throws IOException {
        Random random = new Random(6);
        int opened = 0;
        int refused = 0;
        for (String name : new String[] {"vocab.json", "merges.txt", "tokenizer.json"}) {
            byte[] content = Files.readAllBytes(SMALL.resolve(name));
            if (name.equals("vocab.json")) {
                Files.copy(SMALL.resolve("merges.txt"), directory.resolve("merges.txt"));
            }
            for (int round = 0; round < 500; round++) {
                byte[] changed = content.clone();
                changed[random.nextInt(changed.length)] = (byte) random.nextInt(256);
                Files.write(directory.resolve(name), changed);
                try {
                    open().encode("any text");
                    opened++;
                } catch (CheckpointException e) {
                    assertEquals(directory, e.file().getParent());
                    refused++;
                } catch (InvalidInputException e) {
                    assertTrue(e.getMessage().contains("no token for byte"), e.getMessage());
                }
            }
            Files.write(directory.resolve(name), content);
        }
        assertNotEquals(0, opened);
        assertNotEquals(0, refused);
    }

    @Test
    void jsonThatNestsTooDeepIsRefused() throws IOException {
        write("tokenizer.json", "{\"normalizer\":" + "[".repeat(100_000));
        assertRefused("tokenizer.json", "nesting depth");
        write("tokenizer.json", "{\"truncation\":" + "[".repeat(100_000));
        assertRefused("tokenizer.json", "nesting depth");
    }

    @Test
    void bytesThatAreNotUtf8AreRefused() throws IOException {
        Files.write(directory.resolve("tokenizer.json"), "{\"x\":\"é\"}".getBytes(StandardCharsets.ISO_8859_1));
        assertRefused("tokenizer.json", "expected UTF-8 text, found another byte at 6");
        Files.write(directory.resolve("tokenizer.json"),
                ("{\"x\":" + " ".repeat(20_000) + "\"é\"}").getBytes(StandardCharsets.ISO_8859_1));
        assertRefused("tokenizer.json", "expected UTF-8 text, found another byte at 20006");
    }
}
