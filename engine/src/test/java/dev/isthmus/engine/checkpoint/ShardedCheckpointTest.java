package dev.isthmus.engine.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.CheckpointException.Reason;
import dev.isthmus.engine.weights.TestTensors;
import dev.isthmus.engine.weights.safetensors.SafetensorsWriter;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ShardedCheckpointTest {

    private static final String FIRST = "model-00001-of-00002.safetensors";
    private static final String SECOND = "model-00002-of-00002.safetensors";

    @TempDir
    Path directory;

    @BeforeEach
    void writeShards() {
        SafetensorsWriter.write(directory.resolve(FIRST), Map.of("format", "pt"),
                List.of(TestTensors.f32("a", new long[] {1}, 1), TestTensors.f32("b", new long[] {1}, 2)));
        SafetensorsWriter.write(directory.resolve(SECOND), Map.of(),
                List.of(TestTensors.f16("c", new long[] {1}, 3)));
    }

    private void index(String weightMap) throws IOException {
        indexText("{\"metadata\":{\"total_size\":10},\"weight_map\":{" + weightMap.replace('\'', '"') + "}}");
    }

    private void indexText(String text) throws IOException {
        Files.writeString(directory.resolve(Checkpoint.INDEX_FILE), text);
    }

    private CheckpointException refusal(Reason reason, String file) {
        CheckpointException refusal = assertThrows(CheckpointException.class, () -> Checkpoint.open(directory).close());
        assertEquals(reason, refusal.reason(), refusal.getMessage());
        assertEquals(directory.resolve(file), refusal.file(), refusal.getMessage());
        return refusal;
    }

    @Test
    void aShardedSetIsOneCheckpoint() throws IOException {
        index("'c':'" + SECOND + "','a':'" + FIRST + "','b':'" + FIRST + "'");
        try (Checkpoint checkpoint = Checkpoint.open(directory); Arena arena = Arena.ofConfined()) {
            assertEquals(List.of(directory.resolve(SECOND), directory.resolve(FIRST)), checkpoint.files());
            MemorySegment into = arena.allocate(4);
            for (String name : List.of("a", "b", "c")) {
                checkpoint.readF32(name, into);
                assertArrayEquals(new float[] {name.charAt(0) - 'a' + 1}, into.toArray(ValueLayout.JAVA_FLOAT));
            }
        }
    }

    @Test
    void aTensorThatTheIndexForgetsIsReadAllTheSame() throws IOException {
        index("'a':'" + FIRST + "','c':'" + SECOND + "'");
        try (Checkpoint checkpoint = Checkpoint.open(directory)) {
            assertTrue(checkpoint.tensor("b").isPresent());
        }
    }

    @Test
    void anUnshardedFileWinsOverAnIndex() throws IOException {
        index("'a':'missing.safetensors'");
        TestTensors.write(directory, List.of(TestTensors.f32("single", new long[] {1}, 1)));
        try (Checkpoint checkpoint = Checkpoint.open(directory)) {
            assertTrue(checkpoint.tensor("single").isPresent());
        }
    }

    @Test
    void aMissingShardIsNamed() throws IOException {
        index("'a':'" + FIRST + "','z':'model-3.safetensors'");
        refusal(Reason.MISSING_FILE, "model-3.safetensors");
    }

    @Test
    @DisabledOnOs(value = OS.WINDOWS, disabledReason = "symbolic links take a privilege on Windows")
    void aShardMayBeALinkAsInTheHuggingFaceCacheAndABrokenOneIsNamed() throws IOException {
        Path blobs = Files.createDirectory(directory.resolve("blobs"));
        Path blob = Files.move(directory.resolve(FIRST), blobs.resolve("x"));
        Files.createSymbolicLink(directory.resolve(FIRST), Path.of("blobs", "x"));
        index("'a':'" + FIRST + "','c':'" + SECOND + "'");
        try (Checkpoint checkpoint = Checkpoint.open(directory)) {
            assertTrue(checkpoint.tensor("a").isPresent());
        }
        Files.delete(blob);
        assertTrue(refusal(Reason.MISSING_FILE, FIRST).getMessage().contains("the link leads to no file"));
    }

    @Test
    void anIndexMayNameTensorsThatNoShardHas() throws IOException {
        index("'a':'" + FIRST + "','z':'" + FIRST + "'");
        try (Checkpoint checkpoint = Checkpoint.open(directory)) {
            assertTrue(checkpoint.tensor("a").isPresent());
            assertEquals(Optional.empty(), checkpoint.tensor("z"));
            assertEquals(Optional.of(directory.resolve(FIRST)), checkpoint.indexedShard("z"));
        }
    }

    @Test
    void aTensorInAnotherShardThanTheIndexSaysIsRefused() throws IOException {
        index("'c':'" + FIRST + "','a':'" + FIRST + "','b':'" + SECOND + "'");
        assertTrue(refusal(Reason.INVALID_SHARD, FIRST).getMessage().contains("found it in " + SECOND));
    }

    @Test
    void aTensorInTwoShardsIsRefused() throws IOException {
        SafetensorsWriter.write(directory.resolve(SECOND), Map.of(), List.of(TestTensors.f32("a", new long[] {1}, 5)));
        index("'a':'" + FIRST + "','b':'" + SECOND + "'");
        assertTrue(refusal(Reason.INVALID_SHARD, SECOND).getMessage().contains("also in " + FIRST));
    }

    @Test
    void aDamagedShardIsNamed() throws IOException {
        Files.write(directory.resolve(SECOND), new byte[3]);
        index("'a':'" + FIRST + "','c':'" + SECOND + "'");
        refusal(Reason.HEADER_TOO_SMALL, SECOND);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", ".", "..", "../x.safetensors", "/etc/passwd", "sub/x.safetensors", "./x.safetensors",
        "..\\\\x.safetensors", "C:x.safetensors", "file:///x", "\\\\\\\\server\\\\x", "a/../x.safetensors", "a\\u0000b",
        "a\\nb"})
    void aShardNameThatIsNotAPlainFileNameIsRefused(String name) throws IOException {
        index("'a':'" + name + "'");
        refusal(Reason.INVALID_SHARD, Checkpoint.INDEX_FILE);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "[]", "{}", "{\"weight_map\":[]}", "{\"weight_map\":{\"a\":1}}",
        "{\"weight_map\":{\"a\":null}}", "{\"weight_map\":{}", "{\"weight_map\":{}}x",
        "{\"weight_map\":{},\"weight_map\":{}}", "{\"x\":1e999,\"weight_map\":{}}"})
    void anIndexThatIsNoneIsRefused(String text) throws IOException {
        indexText(text);
        refusal(Reason.MALFORMED, Checkpoint.INDEX_FILE);
    }

    @Test
    void anIndexThatIsNotUtf8IsRefused() throws IOException {
        Files.write(directory.resolve(Checkpoint.INDEX_FILE), new byte[] {'{', '"', (byte) 0xFF, '"', ':', '1', '}'});
        refusal(Reason.MALFORMED, Checkpoint.INDEX_FILE);
    }

    @Test
    void aTensorTwiceInTheIndexIsRefused() throws IOException {
        index("'a':'" + FIRST + "','a':'" + SECOND + "'");
        refusal(Reason.DUPLICATE_KEY, Checkpoint.INDEX_FILE);
    }
}
