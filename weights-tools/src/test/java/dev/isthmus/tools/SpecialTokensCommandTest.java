package dev.isthmus.tools;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Special tokens in prompts and in conversions, and models whose tokenizer the commands cannot use. */
class SpecialTokensCommandTest {

    private static final String SPECIAL = "th<|endoftext|>";

    @TempDir
    private Path folder;

    private Path model;

    @BeforeEach
    void makeModel() throws IOException {
        model = TinyModel.write(folder.resolve("model"));
    }

    private static CommandRun run(String... args) {
        CommandRun run = CommandRun.of(args);
        assertEquals(0, run.code(), run.err());
        return run;
    }

    private void assertContains(String part, String text) {
        assertTrue(text.contains(part), () -> "expected " + part + " in " + text);
    }

    private Path converted(Path in, String out) {
        run("convert", in.toString(), folder.resolve(out).toString(), "--dtype", "f32");
        return folder.resolve(out);
    }

    @Test
    void promptsTakeSpecialTokensWhenAsked() {
        assertContains("\"prompt_ids\":[256,259]", run("generate", SPECIAL, "--special", "-m", model.toString(), "-n",
                "1", "--json").out());
        assertContains("\"prompt_ids\":[256,60,", run("generate", SPECIAL, "-m", model.toString(), "-n", "1",
                "--json").out());
        String file = folder.resolve("logits.safetensors").toString();
        assertContains("\"input_ids\":[256,259]", run("logits", "--text", SPECIAL, "--special", "-o", file, "-m",
                model.toString(), "--json").out());
        assertContains("\"tokens\":2", run("score", "--text", SPECIAL, "--special", "-m", model.toString(), "--json")
                .out());
        assertContains("\"tokens\":14", run("score", "--text", SPECIAL, "-m", model.toString(), "--json").out());
    }

    @Test
    void anUnsupportedTokenizerBlocksTextOnly() throws IOException {
        Files.writeString(model.resolve("tokenizer.json"), "{\"normalizer\": {\"type\": \"BertNormalizer\"},"
                + " \"model\": {\"type\": \"WordPiece\", \"vocab\": {\"a\": 0}}}");
        String path = model.toString();
        run("generate", "--ids", "1,2", "-m", path, "-n", "2");
        run("score", "--ids", "1,2,3", "-m", path);
        run("logits", "--ids", "1,2,3", "-m", path, "-o", folder.resolve("logits.safetensors").toString());
        assertContains("WordPiece", run("verify", path).out());
        assertContains("\"tokenizer_fault\":\"" + path, run("inspect", "--headers", path, "--json").out());
        for (CommandRun refused : List.of(CommandRun.of("generate", "a", "-m", path),
                CommandRun.of("score", "--text", "ab", "-m", path), CommandRun.of("tokenize", "a", "-m", path),
                CommandRun.of("generate", "--ids", "1", "--ban", "a", "-m", path))) {
            assertEquals(1, refused.code());
            assertContains("WordPiece", refused.err());
        }
    }

    @Test
    void decodedIdsWithoutATokenAreEmptyText() throws IOException {
        Files.writeString(model.resolve("config.json"), Files.readString(model.resolve("config.json"))
                .replace("260", "264"));
        assertEquals("th\n", run("tokenize", "--decode", "262,256,263", "-m", model.toString()).out());
        assertContains("\"tokens\":[null,\"th\"]", run("tokenize", "--decode", "262,256", "--json", "-m",
                model.toString()).out());
        assertEquals(1, CommandRun.of("tokenize", "--decode", "264", "-m", model.toString()).code());
    }

    @Test
    void addedTokensSurviveGgufAndBack() throws IOException {
        for (String name : List.of("vocab.json", "config.json")) {
            Files.writeString(model.resolve(name), Files.readString(model.resolve(name))
                    .replace(",\"<|endoftext|>\":259", "").replace("_id\": 259", "_id\": [255, 3, 7]"));
        }
        Files.writeString(model.resolve("added_tokens.json"), "{\"<é|日>\": 259}");
        Files.writeString(model.resolve("tokenizer_config.json"),
                "{\"add_bos_token\": true, \"bos_token\": \"<é|日>\"}");
        Path gguf = converted(model, "model.gguf");
        for (Path each : List.of(model, gguf, converted(gguf, "back"))) {
            Tokenizer tokenizer = Tokenizer.open(each).orElseThrow();
            assertEquals("<é|日>é", tokenizer.decode(259, tokenizer.encode("é")[0], tokenizer.encode("é")[1]));
            assertArrayEquals(new int[] {259, 256, 259}, tokenizer.encodeWithSpecialTokens("th<é|日>"));
            assertEquals(List.of(255, 3, 7), Gpt2Config.read(each).endOfText());
        }
    }

    @Test
    void whatGgufFilesCannotSayIsToldOrRefused() throws IOException {
        Path config = model.resolve("config.json");
        Files.writeString(config, Files.readString(config).replace("_id\": 259", "_id\": [259, 1, 2, 3]"));
        Files.writeString(model.resolve("special_tokens_map.json"), "{\"pad_token\": \"[PAD]\"}");
        CommandRun told = run("convert", model.toString(), folder.resolve("x.gguf").toString(), "--dtype", "f32");
        assertContains("left out: [3]", told.err());
        assertContains("left out: [PAD]", told.err());
        assertEquals(List.of(259, 1, 2), Gpt2Config.read(folder.resolve("x.gguf")).endOfText());
        Files.writeString(model.resolve("tokenizer_config.json"), "{\"add_prefix_space\": true}");
        CommandRun refused = CommandRun.of("convert", model.toString(), folder.resolve("y.gguf").toString(), "--dtype",
                "f32");
        assertEquals(1, refused.code());
        assertContains("add_prefix_space", refused.err());
    }
}
