package dev.isthmus.engine.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.errors.CancelledException;
import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.CheckpointException.Reason;
import dev.isthmus.engine.errors.ClosedException;
import dev.isthmus.engine.weights.StoredType;
import dev.isthmus.engine.weights.TensorInfo;
import dev.isthmus.engine.weights.TestTensors;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

class CheckpointTest {

    @TempDir
    Path directory;

    private static void assertRefused(Reason reason, Path file, Path opened, String... words) {
        CheckpointException refusal = assertThrows(CheckpointException.class, () -> Checkpoint.open(opened).close());
        assertEquals(reason, refusal.reason(), refusal.getMessage());
        assertEquals(file, refusal.file(), refusal.getMessage());
        for (String word : words) {
            assertTrue(refusal.getMessage().contains(word), refusal.getMessage());
        }
    }

    private static float[] read(Checkpoint checkpoint, String name) {
        try (Arena arena = Arena.ofConfined()) {
            long elements = checkpoint.tensor(name).orElseThrow().shape().elements();
            MemorySegment into = arena.allocate(ValueLayout.JAVA_FLOAT, elements);
            checkpoint.readF32(name, into);
            return into.toArray(ValueLayout.JAVA_FLOAT);
        }
    }

    private Path writeThree(Path where) throws IOException {
        return TestTensors.write(where, List.of(TestTensors.f32("a", new long[] {2, 2}, 1, 2, 3, -0f),
                TestTensors.f16("b", new long[] {2}, 0.5f, -6.1035156e-5f), TestTensors.bf16("c", new long[0], 1.5f)));
    }

    @Test
    void aDirectoryAndItsFileGiveTheSameTensors() throws IOException {
        Path file = writeThree(directory);
        for (Path path : List.of(directory, file)) {
            try (Checkpoint checkpoint = Checkpoint.open(path)) {
                assertEquals(path, checkpoint.path());
                assertEquals(List.of(file), checkpoint.files());
                assertEquals(Map.of("format", "pt"), checkpoint.metadata(file));
                assertEquals(List.of("a", "c", "b"), checkpoint.tensors().stream().map(TensorInfo::name).toList());
                assertArrayEquals(new float[] {1, 2, 3, -0f}, read(checkpoint, "a"));
                assertArrayEquals(new float[] {0.5f, -6.1035156e-5f}, read(checkpoint, "b"));
                assertArrayEquals(new float[] {1.5f}, read(checkpoint, "c"));
                assertTrue(checkpoint.tensor("d").isEmpty());
            }
        }
    }

    @Test
    void aCheckpointIsReadFromInsideAnArchiveByManyThreads() throws Exception {
        Path zip = directory.resolve("models.zip");
        try (FileSystem archive = FileSystems.newFileSystem(zip, Map.of("create", "true"))) {
            writeThree(archive.getPath("/demo"));
        }
        try (FileSystem archive = FileSystems.newFileSystem(zip);
                Checkpoint checkpoint = Checkpoint.open(archive.getPath("/demo"))) {
            assertManyThreadsRead(checkpoint);
        }
    }

    @Test
    void manyThreadsReadOneFile() throws Exception {
        try (Checkpoint checkpoint = Checkpoint.open(writeThree(directory))) {
            assertManyThreadsRead(checkpoint);
        }
    }

    private static void assertManyThreadsRead(Checkpoint checkpoint) throws Exception {
        List<Callable<float[]>> reads = new ArrayList<>();
        for (int i = 0; i < 400; i++) {
            String name = i % 2 == 0 ? "a" : "b";
            reads.add(() -> read(checkpoint, name));
        }
        try (ExecutorService pool = Executors.newFixedThreadPool(8)) {
            List<Future<float[]>> results = pool.invokeAll(reads);
            for (int i = 0; i < results.size(); i++) {
                assertEquals(i % 2 == 0 ? 3 : -6.1035156e-5f, results.get(i).get()[i % 2 == 0 ? 2 : 1]);
            }
        }
    }

    @Test
    void partsOfATensorAreReadByElementAndByByte() throws IOException {
        try (Checkpoint checkpoint = Checkpoint.open(writeThree(directory)); Arena arena = Arena.ofConfined()) {
            TensorInfo b = checkpoint.tensor("b").orElseThrow();
            MemorySegment one = arena.allocate(4);
            checkpoint.readF32(b, 1, one);
            assertEquals(-6.1035156e-5f, one.get(ValueLayout.JAVA_FLOAT, 0));
            checkpoint.readBytes(b, 0, one);
            assertArrayEquals(new byte[] {0, 0x38, 0, (byte) 0x84}, one.toArray(ValueLayout.JAVA_BYTE));
            assertThrows(IndexOutOfBoundsException.class, () -> checkpoint.readF32(b, 2, one));
            assertThrows(IndexOutOfBoundsException.class, () -> checkpoint.readF32(b, -1, one));
            assertThrows(IndexOutOfBoundsException.class, () -> checkpoint.readBytes(b, 1, one));
            assertThrows(IllegalArgumentException.class, () -> checkpoint.readF32("b", one));
            assertThrows(IllegalArgumentException.class,
                    () -> checkpoint.readF32(b, 0, MemorySegment.ofArray(new float[2])));
        }
    }

    @Test
    void aTensorOfAnotherTypeIsNotReadAsF32() throws IOException {
        TestTensors.write(directory, List.of(TestTensors.entry("ids", StoredType.I64, new long[] {1}, new byte[8])));
        try (Checkpoint checkpoint = Checkpoint.open(directory); Arena arena = Arena.ofConfined()) {
            CheckpointException refusal = assertThrows(CheckpointException.class,
                    () -> checkpoint.readF32("ids", arena.allocate(4)));
            assertEquals(Reason.WRONG_TYPE, refusal.reason());
            assertTrue(refusal.getMessage().contains("I64"), refusal.getMessage());
            assertEquals(Reason.MISSING_TENSOR, assertThrows(CheckpointException.class,
                    () -> checkpoint.readF32("idz", arena.allocate(4))).reason());
        }
    }

    @Test
    void everyHalfPrecisionValueWidensExactly() throws IOException {
        ByteBuffer all = ByteBuffer.allocate(2 << 16).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < 1 << 16; i++) {
            all.putShort((short) i);
        }
        TestTensors.write(directory, List.of(
                TestTensors.entry("f16", StoredType.F16, new long[] {256, 256}, all.array()),
                TestTensors.entry("bf16", StoredType.BF16, new long[] {1 << 16}, all.array())));
        try (Checkpoint checkpoint = Checkpoint.open(directory)) {
            float[] f16 = read(checkpoint, "f16");
            float[] bf16 = read(checkpoint, "bf16");
            for (int i = 0; i < 1 << 16; i++) {
                // assertEquals takes any two NaNs for equal: which one comes out of F16 is the processor's choice.
                assertEquals(Float.float16ToFloat((short) i), f16[i], "" + i);
                assertEquals(i << 16, Float.floatToRawIntBits(bf16[i]), "" + i);
            }
        }
    }

    @Test
    void aMissingPathAndAnEmptyDirectoryAreRefused() {
        Path nothing = directory.resolve("nothing");
        assertRefused(Reason.MISSING_FILE, nothing, nothing, "no such file");
        assertRefused(Reason.MISSING_FILE, directory, directory, "model.safetensors", "found neither");
    }

    @Test
    void aPickleOnlyModelIsRefusedWithTheWayOut() throws IOException {
        Path pickle = Files.createFile(directory.resolve("pytorch_model.bin"));
        assertRefused(Reason.MISSING_FILE, pickle, directory, "runs code", "save_pretrained");
    }

    @Test
    void aPickleIsRefusedAsOneUnderAnyName() throws IOException {
        for (String name : List.of("pytorch_model.bin", "model.safetensors")) {
            Path file = directory.resolve(name);
            Files.write(file, new byte[] {'P', 'K', 3, 4, 0, 0, 8, 8, 0, 0, 0, 0});
            assertRefused(Reason.HEADER_TOO_LARGE, file, file, "pickle", "runs code", "save_pretrained");
            Files.write(file, new byte[] {(byte) 0x80, 2, (byte) 0x8A, 0x0A, 'l', (byte) 0xFC, (byte) 0x9C, 'F', 0x20});
            assertRefused(Reason.HEADER_TOO_LARGE, file, file, "pickle", "runs code", "save_pretrained");
        }
        // As long a header as a pickle's first bytes could stand for is refused for its length, not as a pickle.
        Path other = Files.write(directory.resolve("other"), new byte[] {(byte) 0x80, 9, 0, 0, 0, 0, 0, 1});
        assertRefused(Reason.HEADER_TOO_LARGE, other, other, "expected a header of at most");
    }

    @Test
    void aDirectoryInTheFilesPlaceIsRefused() throws IOException {
        Path file = Files.createDirectory(directory.resolve("model.safetensors"));
        assertRefused(Reason.UNREADABLE, file, directory, "expected a regular file, found a directory");
    }

    @Test
    @DisabledOnOs(value = OS.WINDOWS, disabledReason = "Windows has no named pipes in the file system")
    void aPipeIsRefusedWithoutWaitingForItsWriter() throws Exception {
        Path pipe = directory.resolve("model.safetensors");
        assertEquals(0, new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor());
        assertTimeoutPreemptively(Duration.ofSeconds(30),
                () -> assertRefused(Reason.UNREADABLE, pipe, directory, "expected a regular file"));
    }

    @Test
    @DisabledOnOs(value = OS.WINDOWS, disabledReason = "symbolic links take a privilege on Windows")
    void theHuggingFaceCachesLinksAreFollowedAndABrokenOneIsNamed() throws IOException {
        Path blob = directory.resolve("blobs/0123abcd");
        Path snapshot = Files.createDirectories(directory.resolve("snapshots/main"));
        Path link = Files.createSymbolicLink(snapshot.resolve("model.safetensors"), Path.of("../../blobs/0123abcd"));
        assertRefused(Reason.MISSING_FILE, link, snapshot, "the link leads to no file");
        Files.createDirectories(blob.getParent());
        Files.move(writeThree(directory), blob);
        try (Checkpoint checkpoint = Checkpoint.open(snapshot)) {
            assertArrayEquals(new float[] {1.5f}, read(checkpoint, "c"));
        }
    }

    @Test
    void aFileThatShrinksWhileOpenGivesATypedError() throws IOException {
        Path file = writeThree(directory);
        try (Checkpoint checkpoint = Checkpoint.open(file)) {
            try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
                channel.truncate(checkpoint.tensor("a").orElseThrow().end() - 1);
            }
            CheckpointException refusal = assertThrows(CheckpointException.class, () -> read(checkpoint, "a"));
            assertEquals(Reason.UNREADABLE, refusal.reason());
            assertTrue(refusal.getMessage().contains("changed while it was being read"), refusal.getMessage());
        }
    }

    @Test
    void useAfterCloseIsATypedErrorAndClosingTwiceIsFine() throws IOException {
        Checkpoint checkpoint = Checkpoint.open(writeThree(directory));
        checkpoint.close();
        checkpoint.close();
        assertThrows(ClosedException.class, () -> read(checkpoint, "a"));
    }

    @Test
    void anInterruptedReadIsACancellation() throws IOException {
        try (Checkpoint checkpoint = Checkpoint.open(writeThree(directory))) {
            Thread.currentThread().interrupt();
            assertThrows(CancelledException.class, () -> read(checkpoint, "a"));
        } finally {
            assertTrue(Thread.interrupted(), "the interrupt is kept for the caller");
        }
    }

    @Test
    @EnabledOnOs(value = OS.LINUX, disabledReason = "needs a file system with sparse files")
    void tensorsBeyondFourGigabytesAreReached() throws IOException {
        long elements = 1_300_000_000L;
        byte[] header = ("{\"a\":{\"dtype\":\"F32\",\"shape\":[" + elements + "],\"data_offsets\":[0," + 4 * elements
                + "]},\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[" + 4 * elements + ','
                + (4 * elements + 4) + "]}}").getBytes(StandardCharsets.UTF_8);
        Path file = directory.resolve("large.safetensors");
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE,
                StandardOpenOption.SPARSE)) {
            channel.write(ByteBuffer.wrap(TestTensors.file(header, new byte[0])));
            ByteBuffer ends = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putFloat(7).putFloat(9).flip();
            channel.write(ends, 8 + header.length + 4 * elements - 4);
        }
        try (Checkpoint checkpoint = Checkpoint.open(file); Arena arena = Arena.ofConfined()) {
            MemorySegment last = arena.allocate(8);
            checkpoint.readF32(checkpoint.tensor("a").orElseThrow(), elements - 2, last);
            assertArrayEquals(new float[] {0, 7}, last.toArray(ValueLayout.JAVA_FLOAT));
            assertArrayEquals(new float[] {9}, read(checkpoint, "b"));
        }
    }

    @Test
    @EnabledOnOs(value = OS.LINUX, disabledReason = "needs /proc to see the open files")
    void afterARefusalNoFileIsHeldOpen() throws IOException {
        Path good = writeThree(directory);
        Path bad = Files.write(directory.resolve("bad.safetensors"), TestTensors.file("{}", 1));
        Files.writeString(directory.resolve(Checkpoint.INDEX_FILE),
                "{\"weight_map\":{\"a\":\"good.safetensors\",\"z\":\"bad.safetensors\"}}");
        Path shard = Files.move(good, directory.resolve("good.safetensors"));
        assertRefused(Reason.METADATA_INCOMPLETE_BUFFER, bad, directory);
        try (Stream<Path> open = Files.list(Path.of("/proc/self/fd"))) {
            List<Path> held = open.filter(Files::isSymbolicLink).map(CheckpointTest::target)
                    .filter(target -> target.equals(bad) || target.equals(shard)).toList();
            assertEquals(List.of(), held);
        }
    }

    private static Path target(Path link) {
        try {
            return Files.readSymbolicLink(link);
        } catch (IOException closedMeanwhile) {
            return link;
        }
    }
}
