package dev.isthmus.engine.weights.safetensors;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.checkpoint.Checkpoint;
import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.CheckpointException.Reason;
import dev.isthmus.engine.tensor.Shape;
import dev.isthmus.engine.weights.StoredType;
import dev.isthmus.engine.weights.TestTensors;
import dev.isthmus.engine.weights.safetensors.SafetensorsWriter.Entry;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SafetensorsWriterTest {

    @TempDir
    Path directory;

    private List<String> names() throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            return files.map(file -> file.getFileName().toString()).toList();
        }
    }

    @Test
    void theBytesAreThoseOfTheRustWriter() throws IOException {
        Path file = directory.resolve("x.safetensors");
        SafetensorsWriter.write(file, Map.of("k", "é\n"), List.of(
                TestTensors.f32("z", new long[] {1}, 1), TestTensors.f32("a", new long[] {0, 3}),
                TestTensors.entry("ids", StoredType.I64, new long[] {1}, new byte[] {7, 0, 0, 0, 0, 0, 0, 0})));
        // What safetensors 0.8.0 for Python writes for the same tensors.
        byte[] expected = TestTensors.file("{\"__metadata__\":{\"k\":\"é\\n\"},"
                + "\"ids\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,8]},"
                + "\"a\":{\"dtype\":\"F32\",\"shape\":[0,3],\"data_offsets\":[8,8]},"
                + "\"z\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]}}       ", 12);
        expected[expected.length - 12] = 7;
        expected[expected.length - 2] = (byte) 0x80;
        expected[expected.length - 1] = 0x3F;
        assertArrayEquals(expected, Files.readAllBytes(file));
        assertEquals(List.of("x.safetensors"), names());
    }

    @Test
    void tensorsOutsideTheHeapAndLargerThanTheBufferArriveWhole() {
        Path file = directory.resolve("x.safetensors");
        int count = 700_001;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment data = arena.allocate(ValueLayout.JAVA_FLOAT, count);
            for (int i = 0; i < count; i++) {
                data.setAtIndex(ValueLayout.JAVA_FLOAT, i, i);
            }
            SafetensorsWriter.write(file, Map.of(), List.of(new Entry("t", StoredType.F32, new Shape(count), data)));
            MemorySegment back = arena.allocate(ValueLayout.JAVA_FLOAT, count);
            try (Checkpoint checkpoint = Checkpoint.open(file)) {
                checkpoint.readF32("t", back);
            }
            assertEquals(-1, data.mismatch(back));
        }
    }

    @Test
    void anExistingFileIsReplaced() throws IOException {
        Path file = Files.writeString(directory.resolve("x.safetensors"), "old");
        SafetensorsWriter.write(file, Map.of(), List.of());
        assertEquals(16, Files.size(file));
        assertEquals(List.of("x.safetensors"), names());
    }

    @Test
    void whatCannotBeWrittenIsATypedErrorAndLeavesNothing() throws IOException {
        Path nowhere = directory.resolve("missing/x.safetensors");
        CheckpointException refusal = assertThrows(CheckpointException.class,
                () -> SafetensorsWriter.write(nowhere, Map.of(), List.of()));
        assertEquals(Reason.UNWRITABLE, refusal.reason());
        Path taken = Files.createDirectory(directory.resolve("taken"));
        assertEquals(Reason.UNWRITABLE, assertThrows(CheckpointException.class,
                () -> SafetensorsWriter.write(taken, Map.of(), List.of())).reason());
        assertEquals(List.of("taken"), names());
    }

    @Test
    void aFailureInTheMiddleLeavesTheOldFileAndNothingElse() throws IOException {
        Path file = Files.writeString(directory.resolve("x.safetensors"), "old");
        Arena arena = Arena.ofConfined();
        Entry gone = new Entry("gone", StoredType.U8, new Shape(4), arena.allocate(4));
        arena.close();
        assertThrows(IllegalStateException.class, () -> SafetensorsWriter.write(file, Map.of(), List.of(gone)));
        assertEquals(List.of("x.safetensors"), names());
        assertEquals("old", Files.readString(file));
    }

    @Test
    void entriesThatNoReaderWouldAcceptAreRefused() throws IOException {
        Entry a = TestTensors.f32("a", new long[] {1}, 1);
        Path file = directory.resolve("x.safetensors");
        assertThrows(IllegalArgumentException.class, () -> SafetensorsWriter.write(file, Map.of(), List.of(a, a)));
        Entry unpaired = TestTensors.f32("\ud800", new long[] {1}, 1);
        assertThrows(IllegalArgumentException.class, () -> SafetensorsWriter.write(file, Map.of(), List.of(unpaired)));
        assertThrows(IllegalArgumentException.class, () -> TestTensors.f32("__metadata__", new long[] {1}, 1));
        assertThrows(IllegalArgumentException.class, () -> TestTensors.f32("a", new long[] {2}, 1));
        assertThrows(IllegalArgumentException.class,
                () -> TestTensors.entry("a", StoredType.F4, new long[] {3}, new byte[2]));
        assertTrue(names().isEmpty());
    }
}
