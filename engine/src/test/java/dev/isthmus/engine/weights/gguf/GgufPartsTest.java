package dev.isthmus.engine.weights.gguf;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.checkpoint.Checkpoint;
import dev.isthmus.engine.checkpoint.ModelPath;
import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.CheckpointException.Reason;
import dev.isthmus.engine.weights.TensorInfo;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class GgufPartsTest {

    @TempDir
    Path directory;

    private Path part(int number, int count) {
        return directory.resolve(String.format("m-%05d-of-%05d.gguf", number, count));
    }

    /** Writes part {@code number} of {@code count} under its name, with a tensor of its own. */
    private Path write(int number, int count, int tensors) throws IOException {
        return write(number, count, tensors, part(number, count));
    }

    private Path write(int number, int count, int tensors, Path file) throws IOException {
        return Files.write(file, new GgufBytes().key("split.no", 2, new byte[] {(byte) (number - 1), 0})
                .key("split.count", 2, new byte[] {(byte) count, 0}).whole("split.tensors.count", tensors)
                .text("of.part", "" + number).tensor("t" + number, 0, new byte[4], 1).bytes());
    }

    private void refused(Reason reason, Path opened, String... words) {
        for (Runnable open : List.<Runnable>of(() -> Checkpoint.open(opened).close(), () -> GgufHeader.read(opened))) {
            CheckpointException refusal = assertThrows(CheckpointException.class, open::run);
            assertEquals(reason, refusal.reason(), refusal.getMessage());
            List.of(words).forEach(word -> assertTrue(refusal.getMessage().contains(word), refusal.getMessage()));
        }
    }

    @Test
    void anyPartOpensTheWholeModel() throws IOException {
        for (int number : List.of(1, 2, 3)) {
            write(number, 3, 3);
        }
        for (int number : List.of(1, 2, 3)) {
            try (Checkpoint checkpoint = Checkpoint.open(part(number, 3))) {
                assertEquals(List.of("t1", "t2", "t3"), checkpoint.tensors().stream().map(TensorInfo::name).toList());
                assertEquals(List.of(part(1, 3), part(2, 3), part(3, 3)), checkpoint.files());
            }
            GgufHeader header = GgufHeader.read(part(number, 3));
            assertEquals(new GgufValue.Text("1"), header.metadata().get("of.part"));
            assertEquals(3, header.tensors().size());
            assertEquals(part(1, 3), ModelPath.resolve(part(number, 3)));
        }
        assertEquals(part(1, 3), ModelPath.resolve(directory));
    }

    @Test
    void aMissingPartIsNamed() throws IOException {
        write(1, 3, 3);
        write(3, 3, 3);
        refused(Reason.MISSING_FILE, part(1, 3), "m-00002-of-00003.gguf", "is part 1", "divided into 3, and part 2", "llama-gguf-split");
        Files.delete(part(1, 3));
        refused(Reason.MISSING_FILE, part(3, 3), "m-00001-of-00003.gguf", "is part 3", "and part 1");
    }

    @Test
    void aPartOfAnotherModelIsRefused() throws IOException {
        write(1, 2, 2);
        write(3, 3, 2, part(2, 2));
        refused(Reason.INVALID_SHARD, part(1, 2), "m-00002-of-00002.gguf", "found part 3 of 3");
        Files.write(part(2, 2), new GgufBytes().tensor("t2", 0, new byte[4], 1).bytes());
        refused(Reason.INVALID_SHARD, part(1, 2), "m-00002-of-00002.gguf", "found a whole one");
        write(2, 2, 2);
        write(1, 2, 5);
        refused(Reason.INVALID_SHARD, part(1, 2), "expected 5 tensors", "found 2");
    }

    @Test
    void aTensorInTwoPartsIsRefused() throws IOException {
        write(1, 2, 2);
        Files.write(part(2, 2), new GgufBytes().whole("split.no", 1).whole("split.count", 2)
                .tensor("t1", 0, new byte[4], 1).bytes());
        CheckpointException refusal = assertThrows(CheckpointException.class, () -> Checkpoint.open(part(1, 2)));
        assertEquals(Reason.INVALID_SHARD, refusal.reason(), refusal.getMessage());
    }

    @Test
    void aRenamedPartSaysWhichItIs() throws IOException {
        write(1, 2, 2);
        Path renamed = write(2, 2, 2, directory.resolve("other.gguf"));
        refused(Reason.INVALID_SHARD, renamed, "part 2", "divided into 2", "-00002-of-00002.gguf", "llama-gguf-split");
        Path swapped = write(2, 2, 2, part(1, 2));
        refused(Reason.INVALID_SHARD, swapped, "expected part 1 of 2", "found part 2 of 2");
    }

    @Test
    void aWholeFileMayHaveAPartsName() throws IOException {
        Path file = Files.write(part(7, 9), new GgufBytes().tensor("t", 0, new byte[4], 1).bytes());
        try (Checkpoint checkpoint = Checkpoint.open(file)) {
            assertEquals(List.of(file), checkpoint.files());
        }
        write(1, 1, 1);
        try (Checkpoint checkpoint = Checkpoint.open(part(1, 1))) {
            assertEquals(1, checkpoint.tensors().size());
        }
    }

    @Test
    void countsThatCannotBeAreRefused() throws IOException {
        for (long count : List.of(1L << 40, -5L, Long.MIN_VALUE)) {
            Path file = Files.write(part(1, 2), new GgufBytes().whole("split.no", 0)
                    .key("split.count", 11, GgufBytes.u64(count)).bytes());
            try (Checkpoint checkpoint = Checkpoint.open(file)) {
                assertTrue(count < 0 && checkpoint.files().size() == 1);
            } catch (CheckpointException refusal) {
                assertEquals(Reason.INVALID_SHARD, refusal.reason());
                assertTrue(count > 0);
            }
        }
    }
}
