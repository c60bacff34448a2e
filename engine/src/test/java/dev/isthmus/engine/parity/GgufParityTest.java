package dev.isthmus.engine.parity;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.api.BackendChoice;
import dev.isthmus.engine.api.Model;
import dev.isthmus.engine.api.ModelOptions;
import dev.isthmus.engine.api.Session;
import dev.isthmus.engine.checkpoint.Checkpoint;
import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.tokenizer.Tokenizer;
import dev.isthmus.engine.weights.StoredType;
import dev.isthmus.engine.weights.TensorInfo;
import dev.isthmus.engine.weights.gguf.GgufHeader;
import dev.isthmus.engine.weights.gguf.GgufValue;
import dev.isthmus.engine.weights.gguf.GgufWriter;
import dev.isthmus.engine.weights.safetensors.SafetensorsWriter;
import dev.isthmus.engine.weights.safetensors.SafetensorsWriter.Entry;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.zip.CRC32;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.FieldSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * GGUF files that llama.cpp's gguf package wrote from a synthetic checkpoint, against what Python makes of them:
 * {@code weights-tools/python/make_gguf_fixtures.py} makes the files and expected.json.
 */
class GgufParityTest {

    /** Not CUDA, which does not take heads of 16 channels. */
    private static final Set<BackendChoice> BACKENDS = EnumSet.complementOf(EnumSet.of(BackendChoice.CUDA));


    private static final String FOLDER = "/gguf/";

    private static final List<String> TYPES =
            List.of("f32", "f16", "bf16", "q4_0", "q4_1", "q5_0", "q5_1", "q8_0");

    @TempDir
    Path directory;

    private Json expected;

    @BeforeEach
    void copyFixtures() throws IOException {
        List<String> names = new ArrayList<>(TYPES.stream().map(type -> type + ".gguf").toList());
        names.add("expected.json");
        for (String name : names) {
            try (var in = GgufParityTest.class.getResourceAsStream(FOLDER + name)) {
                Files.copy(in, directory.resolve(name));
            }
        }
        expected = Json.read(Files.readAllBytes(directory.resolve("expected.json")));
    }

    private Path file(String type) {
        return directory.resolve(type + ".gguf");
    }

    private SyntheticCheckpoint checkpoint() {
        Json config = expected.object("config");
        SyntheticWeights weights = new SyntheticWeights(expected.integer("seed"), new SyntheticWeights.Size(
                config.integer("n_layer"), config.integer("n_head"), config.integer("n_embd"),
                config.integer("n_inner"), config.integer("n_positions"), config.integer("vocab_size"), true));
        return new SyntheticCheckpoint(weights, configJson(), StoredType.F32, "", false, 1);
    }

    private String configJson() {
        StringBuilder json = new StringBuilder();
        expected.object("config").members().forEach((key, value) -> json.append(json.isEmpty() ? "{" : ", ")
                .append('"').append(key).append("\": ").append(value instanceof String ? '"' + (String) value + '"'
                        : value));
        return json.append('}').toString();
    }

    private float[] logits(Path model, BackendChoice backend) {
        try (Model opened = Model.open(model, ModelOptions.DEFAULT.withBackend(backend));
                Session session = opened.newSession()) {
            session.append(expected.integers("prompt"));
            return session.logits();
        }
    }

    @Test
    void aFileInF32GivesTheBitsOfTheSafetensorsDirectoryThatItWasMadeFrom() throws IOException {
        Path folder = Files.createDirectory(directory.resolve("model"));
        checkpoint().write(folder);
        for (BackendChoice backend : BACKENDS) {
            assertArrayEquals(logits(folder, backend), logits(file("f32"), backend), backend.toString());
        }
    }

    @Test
    void theConfigurationIsThatOfConfigJson() throws IOException {
        Files.writeString(directory.resolve("config.json"), configJson());
        assertEquals(Gpt2Config.read(directory), Gpt2Config.read(file("f32")));
    }

    @ParameterizedTest
    @FieldSource("TYPES")
    void tensorsAreWhatPythonDequantizesAsTransformersNamesThem(String type) {
        Map<String, String> checksums = new LinkedHashMap<>();
        try (Checkpoint checkpoint = Checkpoint.open(file(type)); Arena arena = Arena.ofConfined()) {
            for (TensorInfo tensor : checkpoint.tensors()) {
                CRC32 crc = new CRC32();
                crc.update(read(checkpoint, tensor, arena).asByteBuffer());
                checksums.put(tensor.name(), String.format(Locale.ROOT, "%08x", crc.getValue()));
            }
        }
        assertEquals(expected.object("types").object(type).object("checksums").members(), checksums);
    }

    @ParameterizedTest
    @ValueSource(strings = {"f16", "bf16", "q4_1", "q5_0", "q8_0"})
    void aRoundedFileGivesTheBitsOfASafetensorsFileOfTheSameRoundedWeights(String type) throws IOException {
        Path folder = Files.createDirectory(directory.resolve("model"));
        Files.writeString(folder.resolve("config.json"), configJson());
        try (Checkpoint checkpoint = Checkpoint.open(file(type)); Arena arena = Arena.ofConfined()) {
            List<Entry> entries = new ArrayList<>();
            for (TensorInfo tensor : checkpoint.tensors()) {
                entries.add(new Entry(tensor.name(), StoredType.F32, tensor.shape(),
                        read(checkpoint, tensor, arena)));
            }
            SafetensorsWriter.write(folder.resolve(Checkpoint.SINGLE_FILE), Map.of(), entries);
        }
        for (BackendChoice backend : BACKENDS) {
            assertArrayEquals(logits(folder, backend), logits(file(type), backend), backend.toString());
        }
    }

    @ParameterizedTest
    @FieldSource("TYPES")
    void theLogitsAreThoseOfTransformersWithTheSameRoundedWeights(String type) {
        double[] transformers = expected.object("types").object(type).numbers("logits");
        float[] ours = logits(file(type), BackendChoice.REFERENCE);
        assertEquals(transformers.length, ours.length);
        for (int i = 0; i < ours.length; i++) {
            assertEquals(transformers[i], ours[i], Math.ulp(ours[i]), "logit " + i);
        }
    }

    @Test
    void aDividedFileGivesTheBitsOfTheWholeFromAnyPart() throws IOException {
        GgufHeader whole = GgufHeader.read(file("f32"));
        int parts = 3;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment bytes = arena.allocate(Files.size(file("f32")));
            bytes.copyFrom(MemorySegment.ofArray(Files.readAllBytes(file("f32"))));
            for (int part = 0; part < parts; part++) {
                Map<String, GgufValue> metadata = new LinkedHashMap<>(part == 0 ? whole.metadata() : Map.of());
                metadata.put("split.no", new GgufValue.Whole(part));
                metadata.put("split.count", new GgufValue.Whole(parts));
                metadata.put("split.tensors.count", new GgufValue.Whole(whole.tensors().size()));
                int number = part;
                GgufWriter.write(directory.resolve("p-0000" + (part + 1) + "-of-00003.gguf"), metadata,
                        whole.tensors().stream().filter(each -> whole.tensors().indexOf(each) % parts == number)
                                .map(each -> new Entry(each.name(), each.type(), each.shape(),
                                        bytes.asSlice(each.begin(), each.bytes()))).toList());
            }
        }
        float[] expectedLogits = logits(file("f32"), BackendChoice.CPU);
        for (int part = 1; part <= parts; part++) {
            assertArrayEquals(expectedLogits, logits(file("p-0000" + part + "-of-00003"), BackendChoice.CPU));
            assertTrue(Tokenizer.open(file("p-0000" + part + "-of-00003")).isPresent());
        }
    }

    @Test
    void theTokenizerIsThatOfVocabularyAndMerges() {
        Tokenizer tokenizer = Tokenizer.open(file("f32")).orElseThrow();
        assertEquals(expected.object("config").integer("vocab_size"), tokenizer.vocabularySize());
        for (Json text : expected.objects("texts")) {
            assertArrayEquals(text.integers("ids"), tokenizer.encodeWithSpecialTokens(text.text("text")));
            assertEquals(text.text("text"), tokenizer.decode(text.integers("ids")));
        }
        assertEquals(261, tokenizer.specialToken("<|endoftext|>").orElseThrow());
    }

    @Test
    void aFileIsRecognizedByItsFirstBytesUnderAnyName() throws IOException {
        Path renamed = Files.move(file("f32"), directory.resolve("blob"));
        try (Checkpoint checkpoint = Checkpoint.open(renamed)) {
            assertEquals(expected.object("types").object("f32").object("checksums").members().size(),
                    checkpoint.tensors().size());
        }
    }

    private static MemorySegment read(Checkpoint checkpoint, TensorInfo tensor, Arena arena) {
        MemorySegment into = arena.allocate(Float.BYTES * tensor.shape().elements(), Float.BYTES);
        checkpoint.readF32(tensor, 0, into);
        return into;
    }
}
