package dev.isthmus.tools;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.api.Model;
import dev.isthmus.engine.api.ModelOptions;
import dev.isthmus.engine.api.Session;
import dev.isthmus.engine.checkpoint.Checkpoint;
import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.tokenizer.Tokenizer;
import dev.isthmus.engine.weights.StoredType;
import dev.isthmus.engine.weights.TensorInfo;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What {@code isthmus convert} writes, and what it refuses to write. */
class ConvertCommandTest {

    @TempDir
    private Path folder;

    private Path model;

    @BeforeEach
    void makeModel() throws IOException {
        model = TinyModel.write(folder.resolve("model"));
    }

    private Path converted(String name, String type, String... more) {
        Path out = folder.resolve(name);
        String[] args = Stream.concat(Stream.of("convert", model.toString(), out.toString(), "--dtype", type),
                Arrays.stream(more)).toArray(String[]::new);
        CommandRun run = CommandRun.of(args);
        assertEquals(0, run.code(), run.err());
        return out;
    }

    private void refuses(String part, Path out, String... more) throws IOException {
        List<Path> before = files();
        CommandRun run = CommandRun.of(Stream.concat(Stream.of("convert", model.toString(), out.toString()),
                Arrays.stream(more)).toArray(String[]::new));
        assertEquals(1, run.code(), run.out());
        assertTrue(run.err().contains(part), run.err());
        assertEquals("", run.out());
        assertEquals(before, files());
    }

    private List<Path> files() throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            return files.sorted().toList();
        }
    }

    private static float[] logits(Path model, ModelOptions options) {
        try (Model opened = Model.open(model, options); Session session = opened.newSession()) {
            session.append(1, 2, 3, 200);
            return session.logits();
        }
    }

    @ParameterizedTest
    @EnumSource(WeightType.class)
    void aConvertedModelComputesTheBitsOfOneThatIsRoundedAtLoad(WeightType type) {
        Path out = converted("out", type.name().toLowerCase(java.util.Locale.ROOT));
        assertArrayEquals(logits(model, ModelOptions.DEFAULT.withWeights(type)), logits(out, ModelOptions.DEFAULT));
        assertEquals(Gpt2Config.read(model), Gpt2Config.read(out));
    }

    @ParameterizedTest
    @EnumSource(WeightType.class)
    void aPackedModelComputesTheSameBits(WeightType type) {
        Path out = converted("out", type.name().toLowerCase(java.util.Locale.ROOT), "--packed", "--shard-size", "1MB");
        assertArrayEquals(logits(model, ModelOptions.DEFAULT.withWeights(type)), logits(out, ModelOptions.DEFAULT));
        try (Checkpoint packed = Checkpoint.open(out)) {
            assertEquals(StoredType.U8, packed.tensor("wte.weight").orElseThrow().type());
        }
    }

    @Test
    void shardsHoldNoMoreThanTheyMayAndAreReadAsOne() throws IOException {
        Path out = converted("out", "f16", "--shard-size", "200KB");
        assertTrue(Files.exists(out.resolve("model.safetensors.index.json")));
        try (Stream<Path> files = Files.list(out)) {
            for (Path shard : files.filter(file -> file.toString().endsWith(".safetensors")).toList()) {
                assertTrue(Files.size(shard) < 210_000, shard + " " + Files.size(shard));
            }
        }
        assertArrayEquals(logits(model, ModelOptions.DEFAULT.withWeights(WeightType.F16)),
                logits(out, ModelOptions.DEFAULT));
    }

    @ParameterizedTest
    @ValueSource(strings = {"f32", "f16"})
    void aGgufFileGivesTheBitsOfTheTypeAndTheSameTokenizer(String type) {
        Path out = converted("out.gguf", type);
        assertArrayEquals(logits(model, ModelOptions.DEFAULT.withWeights(
                type.equals("f32") ? WeightType.F32 : WeightType.F16)), logits(out, ModelOptions.DEFAULT));
        String text = "the cat, then <|endoftext|>";
        assertArrayEquals(Tokenizer.open(model).orElseThrow().encodeWithSpecialTokens(text),
                Tokenizer.open(out).orElseThrow().encodeWithSpecialTokens(text));
    }

    @Test
    void numbersOfQ8AreWithinHalfAStepOfTheirBlocksScale() {
        Path out = converted("out.gguf", "q8_0");
        try (Checkpoint before = Checkpoint.open(model); Checkpoint after = Checkpoint.open(out);
                Arena arena = Arena.ofConfined()) {
            TensorInfo name = before.tensor("h.1.mlp.c_fc.weight").orElseThrow();
            MemorySegment original = arena.allocate(4 * name.shape().elements(), 4);
            MemorySegment rounded = arena.allocate(4 * name.shape().elements(), 4);
            before.readF32(name.name(), original);
            after.readF32(name.name(), rounded);
            // The largest of the weights is below 1, so that no scale is above 1/127; its F16 rounding adds 2^-11.
            for (int i = 0; i < name.shape().elements(); i++) {
                assertEquals(original.getAtIndex(java.lang.foreign.ValueLayout.JAVA_FLOAT, i),
                        rounded.getAtIndex(java.lang.foreign.ValueLayout.JAVA_FLOAT, i), 0.5 / 127 + 0x1p-11);
            }
        }
    }

    @Test
    void aGgufFileBecomesADirectoryAgain() {
        Path gguf = converted("there.gguf", "f32");
        Path out = folder.resolve("back");
        CommandRun run = CommandRun.of("convert", gguf.toString(), out.toString(), "--dtype", "f32", "--json");
        assertEquals(0, run.code(), run.err());
        assertTrue(run.out().contains("\"max_error\":0.0"), run.out());
        assertArrayEquals(logits(model, ModelOptions.DEFAULT), logits(out, ModelOptions.DEFAULT));
        String text = "the other <|endoftext|>";
        assertArrayEquals(Tokenizer.open(model).orElseThrow().encodeWithSpecialTokens(text),
                Tokenizer.open(out).orElseThrow().encodeWithSpecialTokens(text));
    }

    @Test
    void ggufFilesAreInspectedAndVerified() {
        Path out = converted("out.gguf", "q8_0");
        CommandRun verify = CommandRun.of("verify", out.toString());
        assertEquals(0, verify.code(), verify.out());
        assertTrue(verify.out().contains("tensors that the configuration asks for"), verify.out());
        assertTrue(verify.out().contains("not compared"), verify.out());
        CommandRun inspect = CommandRun.of("inspect", out.toString(), "--json");
        assertTrue(inspect.out().contains("\"gpt2.block_count\":2,"), inspect.out());
        assertTrue(inspect.out().contains("\"dtype\":\"Q8_0\",\"shape\":[128,384]"), inspect.out());
        assertEquals(-1, inspect.out().indexOf("\"statistics\":null"), inspect.out());
    }

    @Test
    void whatCannotBeWrittenIsRefusedAndLeavesNothingBehind() throws IOException {
        refuses("exists already", model, "--dtype", "f16");
        refuses("there is no such directory", folder.resolve("no/out"), "--dtype", "f16");
        refuses("GGUF files are written in f32, f16 or q8_0", folder.resolve("x.gguf"), "--dtype", "int8");
        refuses("a type of GGUF files only", folder.resolve("x"), "--dtype", "q8_0");
        refuses("a type of GGUF files only", folder.resolve("x"), "--dtype", "q8_0", "--packed");
        Path whole = model;
        model = whole.resolve("model.safetensors");
        refuses("name its directory", folder.resolve("x"), "--dtype", "f16");
        model = whole;
        Files.delete(model.resolve("merges.txt"));
        Files.delete(model.resolve("vocab.json"));
        refuses("no tokenizer", folder.resolve("x.gguf"), "--dtype", "f16");
        Files.writeString(model.resolve("model.safetensors"), "no");
        refuses("model.safetensors", folder.resolve("x"), "--dtype", "f16");
    }

    @Test
    void packedWeightsAreNotConvertedAgain() throws IOException {
        model = converted("packed", "int8");
        refuses("as int8 already", folder.resolve("x"), "--dtype", "f32");
    }
}
