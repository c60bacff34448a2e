package dev.isthmus.engine.api;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.errors.ClosedException;
import dev.isthmus.engine.errors.SnapshotException;
import dev.isthmus.engine.errors.SnapshotException.Reason;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A session's way into a file and back. */
@Timeout(60)
class SnapshotTest {

    private static final int CONTEXT = 200;

    /** Where the header says how many tokens there are. */
    private static final int TOKENS_AT = 4 + 4 + 32 + 4 + 4;

    @TempDir
    Path directory;

    private Path checkpoint;
    private Path file;
    private Model model;

    @BeforeEach
    void open() throws IOException {
        checkpoint = TinyModel.write(directory.resolve("model"), CONTEXT, 42);
        file = directory.resolve("snapshot");
        model = Model.open(checkpoint);
    }

    @AfterEach
    void close() {
        assertEquals(0, model.loaded().cacheBytes(), "every block was let go of");
        model.close();
    }

    @Test
    void aRestoredSessionGoesOnBitForBitInAnotherModelOfTheSameFiles() {
        for (ModelOptions options : List.of(ModelOptions.DEFAULT, ModelOptions.DEFAULT.withWeights(WeightType.INT8),
                ModelOptions.DEFAULT.withCache(CacheType.F16),
                ModelOptions.DEFAULT.withBackend(BackendChoice.REFERENCE))) {
            for (int length : new int[] {0, 1, 64, 130, CONTEXT}) {
                assertGoesOn(options, length);
            }
        }
    }

    private void assertGoesOn(ModelOptions options, int length) {
        GenerationOptions generation = GenerationOptions.builder().temperature(2).seed(3).maxTokens(20)
                .stopAtEndOfText(false).build();
        try (Model first = Model.open(checkpoint, options);
                Session session = first.newSession(ContextPolicy.sliding(5, 60))) {
            if (length > 0) {
                session.append(ids(length));
                session.generate(generation.toBuilder().maxTokens(1).build()).forEach(token -> {});
            }
            session.snapshot(file);
            try (Model second = Model.open(checkpoint, options);
                    Session restored = second.restoreSession(file, ContextPolicy.sliding(5, 60))) {
                assertArrayEquals(session.tokens(), restored.tokens());
                for (Session each : List.of(session, restored)) {
                    each.append(1, 2, 3);
                    each.generate(generation).forEach(token -> {});
                }
                assertArrayEquals(session.tokens(), restored.tokens());
                assertArrayEquals(session.logits(), restored.logits());
            }
        }
    }

    @Test
    void logitsThatAreKnownAreNotComputedAgain() {
        try (Session session = model.newSession()) {
            session.append(ids(30));
            session.snapshot(file);
            try (Session restored = model.restoreSession(file)) {
                assertArrayEquals(session.logits(), restored.logits());
            }
        }
    }

    @Test
    void aForgottenTextIsNotInTheFile() throws IOException {
        try (Session session = model.newSession()) {
            session.append(5);
            session.snapshot(file);
            byte[] before = Files.readAllBytes(file);
            session.append(ids(50));
            session.rewind(0);
            session.append(5);
            session.snapshot(file);
            assertArrayEquals(before, Files.readAllBytes(file));
        }
    }

    @Test
    void aSnapshotReplacesTheFileAndLeavesNothingElse() throws IOException {
        take(50);
        take(3);
        try (Session restored = model.restoreSession(file)) {
            assertEquals(3, restored.length());
        }
        try (Stream<Path> files = Files.list(directory)) {
            assertEquals(List.of(checkpoint, file), files.sorted().toList());
        }
    }

    @Test
    void whereNothingCanBeWrittenIsATypedError() throws IOException {
        Path folder = Files.createDirectory(directory.resolve("folder"));
        try (Session session = model.newSession()) {
            session.append(1);
            assertEquals(Reason.UNWRITABLE, assertThrows(SnapshotException.class,
                    () -> session.snapshot(directory.resolve("nowhere").resolve("snapshot"))).reason());
            assertEquals(Reason.UNWRITABLE, assertThrows(SnapshotException.class,
                    () -> session.snapshot(folder)).reason());
            session.append(2);
        }
        assertRefused(Reason.UNREADABLE, folder);
        assertRefused(Reason.UNREADABLE, directory.resolve("nowhere"));
    }

    @Test
    void anotherModelIsRefused() throws IOException {
        take(70);
        assertRefusedBy(Reason.OTHER_MODEL, TinyModel.write(directory.resolve("trained"), CONTEXT, 43),
                ModelOptions.DEFAULT);
        assertRefusedBy(Reason.OTHER_MODEL, TinyModel.write(directory.resolve("longer"), CONTEXT + 1, 42),
                ModelOptions.DEFAULT);
        assertRefusedBy(Reason.OTHER_MODEL, checkpoint, ModelOptions.DEFAULT.withWeights(WeightType.INT8));
        assertRefusedBy(Reason.OTHER_CACHE_TYPE, checkpoint, ModelOptions.DEFAULT.withCache(CacheType.F16));
        assertRefusedBy(Reason.OTHER_CACHE_TYPE, checkpoint,
                ModelOptions.DEFAULT.withBackend(BackendChoice.REFERENCE));
    }

    private void assertRefusedBy(Reason reason, Path other, ModelOptions options) {
        try (Model another = Model.open(other, options)) {
            assertEquals(reason, assertThrows(SnapshotException.class, () -> another.restoreSession(file)).reason());
            assertEquals(0, another.loaded().cacheBytes());
        }
    }

    @Test
    void anythingElseIsRefused() throws IOException {
        take(70);
        assertChanged(Reason.UNKNOWN_FORMAT, bytes -> bytes.putInt(0, 7));
        assertChanged(Reason.UNKNOWN_FORMAT, bytes -> bytes.putInt(4, 3));
        assertChanged(Reason.OTHER_MODEL, bytes -> bytes.put(8, (byte) (bytes.get(8) + 1)));
        assertChanged(Reason.OTHER_CACHE_TYPE, bytes -> bytes.putInt(TOKENS_AT - 8, 99));
        assertChanged(Reason.OTHER_CACHE_TYPE, bytes -> bytes.putInt(TOKENS_AT - 4, 32));
        for (int wrong : new int[] {-1, 71, CONTEXT + 2, Integer.MAX_VALUE}) {
            assertChanged(Reason.CORRUPT, bytes -> bytes.putInt(TOKENS_AT, wrong));
            assertChanged(Reason.CORRUPT, bytes -> bytes.putInt(TOKENS_AT + 4, wrong));
        }
        assertChanged(Reason.CORRUPT, bytes -> bytes.putInt(TOKENS_AT + 8, 2));
        byte[] sound = Files.readAllBytes(file);
        for (int length : new int[] {0, 10, TOKENS_AT + 12, sound.length - 1, sound.length + 1}) {
            Files.write(file, Arrays.copyOf(sound, length));
            assertRefused(Reason.CORRUPT, file);
        }
    }

    @Test
    void anotherVersionIsRefusedByItsNumber() throws IOException {
        take(70);
        for (int version : new int[] {0, 1, 3}) {
            byte[] bytes = Files.readAllBytes(file);
            ByteBuffer.wrap(bytes).order(ByteOrder.nativeOrder()).putInt(4, version);
            Path other = Files.write(directory.resolve("version"), bytes);
            String message = assertThrows(SnapshotException.class, () -> model.restoreSession(other)).getMessage();
            assertTrue(message.contains("of version 2, found version " + version), message);
        }
    }

    @Test
    void cacheTypesKeepTheirCodesInFiles() throws IOException {
        assertCode(1, ModelOptions.DEFAULT.withBackend(BackendChoice.REFERENCE));
        assertCode(2, ModelOptions.DEFAULT.withCache(CacheType.F32));
        assertCode(3, ModelOptions.DEFAULT.withCache(CacheType.F16));
        assertCode(5, ModelOptions.DEFAULT.withCache(CacheType.INT8));
    }

    private void assertCode(int code, ModelOptions options) throws IOException {
        try (Model other = Model.open(checkpoint, options); Session session = other.newSession()) {
            session.append(1);
            session.snapshot(file);
        }
        assertEquals(code, ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.nativeOrder())
                .getInt(TOKENS_AT - 8), options::toString);
    }

    @Test
    void theCacheTypeOfTheFileIsNamed() {
        try (Model other = Model.open(checkpoint, ModelOptions.DEFAULT.withCache(CacheType.F16));
                Session session = other.newSession()) {
            session.append(1);
            session.snapshot(file);
        }
        String message = assertThrows(SnapshotException.class, () -> model.restoreSession(file)).getMessage();
        assertTrue(message.contains("expected keys and values of F32, found F16"), message);
    }

    /** Not even with a checksum that fits. */
    @Test
    void aTokenOutsideTheVocabularyIsRefused() throws IOException {
        take(3);
        ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.nativeOrder());
        bytes.putInt(TOKENS_AT + 12, TinyModel.VOCABULARY);
        CRC32C checksum = new CRC32C();
        checksum.update(bytes.array(), 0, bytes.capacity() - 4);
        bytes.putInt(bytes.capacity() - 4, (int) checksum.getValue());
        Files.write(file, bytes.array());
        assertRefused(Reason.CORRUPT, file);
    }

    @Test
    void anyChangedByteIsNoticed() throws IOException {
        take(5);
        byte[] sound = Files.readAllBytes(file);
        SplittableRandom random = new SplittableRandom(1);
        for (int i = 0; i < 200; i++) {
            byte[] changed = sound.clone();
            changed[random.nextInt(changed.length)] ^= (byte) (1 + random.nextInt(255));
            Files.write(file, changed);
            assertThrows(SnapshotException.class, () -> model.restoreSession(file));
        }
        assertTrue(sound.length > 1000);
    }

    @Test
    void aClosedModelRestoresNothing() {
        take(3);
        Model closed = Model.open(checkpoint);
        closed.close();
        assertThrows(ClosedException.class, () -> closed.restoreSession(file));
    }

    private void assertChanged(Reason reason, Consumer<ByteBuffer> change) throws IOException {
        byte[] sound = Files.readAllBytes(file);
        byte[] changed = sound.clone();
        change.accept(ByteBuffer.wrap(changed).order(ByteOrder.nativeOrder()));
        Files.write(file, changed);
        assertRefused(reason, file);
        Files.write(file, sound);
    }

    private void assertRefused(Reason reason, Path path) {
        SnapshotException refused = assertThrows(SnapshotException.class, () -> model.restoreSession(path));
        assertEquals(reason, refused.reason(), refused::getMessage);
        assertEquals(path, refused.file());
        assertTrue(refused.getMessage().contains(path.toString()));
    }

    private void take(int length) {
        try (Session session = model.newSession()) {
            session.append(ids(length));
            session.snapshot(file);
        }
    }

    private static int[] ids(int count) {
        return IntStream.range(0, count).map(i -> (31 * i * i + 7 * i) % TinyModel.END_OF_TEXT).toArray();
    }
}
