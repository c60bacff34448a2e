package dev.isthmus.engine.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.files.TextFile;
import dev.isthmus.engine.weights.TestTensors;
import dev.isthmus.engine.weights.gguf.GgufBytes;
import dev.isthmus.engine.weights.safetensors.SafetensorsWriter;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a path that a user names stands for, and the words for what is no model. */
class ModelPathTest {

    private static final String POINTER = "version https://git-lfs.github.com/spec/v1\n"
            + "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 548105171\n";

    @TempDir
    Path directory;

    private Path gguf(String name) throws IOException {
        return Files.write(directory.resolve(name), new GgufBytes().tensor("t", 0, new byte[4], 1).bytes());
    }

    private Path safetensors(String name) {
        Path path = directory.resolve(name);
        SafetensorsWriter.write(path, Map.of(), List.of(TestTensors.f32("t", new long[] {1}, 1)));
        return path;
    }

    private static void refused(Path path, String... words) {
        String message = assertThrows(CheckpointException.class, () -> ModelPath.resolve(path)).getMessage();
        List.of(words).forEach(word -> assertTrue(message.contains(word), message));
    }

    @Test
    void aDirectoryWithOneGgufFileStandsForIt() throws IOException {
        Path model = gguf("m.gguf");
        assertEquals(model, ModelPath.resolve(directory));
        assertEquals(model, ModelPath.resolve(model));
        Files.writeString(directory.resolve("config.json"), "{}");
        assertEquals(model, ModelPath.resolve(directory));
        safetensors(Checkpoint.SINGLE_FILE);
        assertEquals(directory, ModelPath.resolve(directory));
    }

    @Test
    void severalGgufFilesAreNamed() throws IOException {
        gguf("m-f16.gguf");
        gguf("m-q4_0.gguf");
        refused(directory, "2 GGUF files", "m-f16.gguf", "m-q4_0.gguf", "name one");
    }

    @Test
    void weightFilesStandForTheirDirectory() throws IOException {
        Path shard = safetensors("model-00001-of-00001.safetensors");
        Path index = Files.writeString(directory.resolve(Checkpoint.INDEX_FILE),
                "{\"weight_map\":{\"t\":\"model-00001-of-00001.safetensors\"}}");
        assertEquals(directory, ModelPath.resolve(shard));
        assertEquals(directory, ModelPath.resolve(index));
        Path single = safetensors(Checkpoint.SINGLE_FILE);
        assertEquals(directory, ModelPath.resolve(single));
        refused(shard, "is not what its directory's model consists of");
    }

    @Test
    void otherFilesSayWhatToName() throws IOException {
        refused(safetensors("weights.safetensors"), "under the name model.safetensors", "config.json");
        refused(Files.writeString(directory.resolve("config.json"), "{}"), "expected a model directory");
        byte[] pickle = {(byte) 0x80, 2, '}', 'q', 0, '.', 0, 0, 0};
        refused(Files.write(directory.resolve("pytorch_model.bin"), pickle), "pickle", "save_pretrained");
    }

    @Test
    void aPeftAdapterSaysHowToMergeIt() throws IOException {
        Files.writeString(directory.resolve("adapter_config.json"), "{}");
        Path weights = safetensors("adapter_model.safetensors");
        refused(directory, "PEFT adapter", "merge_and_unload");
        refused(weights, "PEFT adapter", "merge_and_unload");
        safetensors(Checkpoint.SINGLE_FILE);
        assertEquals(directory, ModelPath.resolve(directory));
    }

    @ParameterizedTest
    @ValueSource(strings = {"adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"})
    void oneFileTellsAnAdapter(String file) throws IOException {
        Files.writeString(directory.resolve("config.json"), "{}");
        Files.writeString(directory.resolve(file), "{}");
        refused(directory, "PEFT adapter (" + file + ")", "merge_and_unload");
    }

    @Test
    void aPathThatDoesNotExistStandsForItself() {
        Path nowhere = directory.resolve("nowhere");
        assertEquals(nowhere, ModelPath.resolve(nowhere));
        assertFalse(Files.exists(nowhere));
    }

    private static void readAs(Path path) {
        switch (path.getFileName().toString()) {
            case "x.gguf", "model.safetensors" -> Checkpoint.open(path).close();
            case "config.json" -> TextFile.read(path);
            default -> {
                try (var text = TextFile.open(path)) {
                    assertTrue(text.read() >= 0);
                } catch (IOException e) {
                    throw new AssertionError(e);
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"model.safetensors", "x.gguf", "config.json", "tokenizer.json"})
    void whatStandsInAFilesPlaceIsNamed(String name) throws IOException {
        Path path = directory.resolve(name);
        Map<String, String> contents = Map.of(POINTER, "git lfs pull", POINTER.replace("git-lfs.github", "hawser.github"),
                "git lfs pull", "<!DOCTYPE html><html>" + "x".repeat(1000), "web page", "\n<html lang=en>", "web page");
        for (Map.Entry<String, String> each : contents.entrySet()) {
            Files.writeString(path, each.getKey(), StandardCharsets.UTF_8);
            String message = assertThrows(CheckpointException.class, () -> readAs(path)).getMessage();
            assertTrue(message.startsWith(path.toString()) && message.contains(each.getValue()), message);
        }
    }
}
