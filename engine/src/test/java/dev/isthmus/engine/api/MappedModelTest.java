package dev.isthmus.engine.api;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.isthmus.engine.checkpoint.Checkpoint;
import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.convert.Gpt2Conversion;
import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.kernels.Backend;
import dev.isthmus.engine.kernels.Backends;
import dev.isthmus.engine.kernels.PackedMatrix;
import dev.isthmus.engine.kernels.cpu.CpuChoice;
import dev.isthmus.engine.tensor.Tensor;
import dev.isthmus.engine.weights.safetensors.SafetensorsWriter;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Models whose matrices are used where they lie in their file, and what becomes of them when that file changes. */
class MappedModelTest {

    private static final int[] IDS = IntStream.range(0, 30).map(i -> (37 * i + 11) % 250).toArray();

    @TempDir
    Path directory;

    private Path plain;

    @BeforeEach
    void write() throws IOException {
        assumeTrue(!CpuChoice.supportedLevels().isEmpty(), "NOT TESTED: needs libisthmus, which was not built");
        plain = TinyModel.write(directory.resolve("plain"));
    }

    private Path packed(WeightType type) throws IOException {
        Path packed = TinyModel.write(directory.resolve("packed"));
        try (Checkpoint checkpoint = Checkpoint.open(plain); Backend opened = Backends.cpu(1)) {
            SafetensorsWriter.write(weights(packed), Gpt2Conversion.packedMetadata(type),
                    new Gpt2Conversion(checkpoint, Gpt2Config.read(plain)).packed(type, opened.weights(), 1), Tensor.ALIGNMENT);
        }
        return packed;
    }

    private static Path weights(Path model) {
        return model.resolve(Checkpoint.SINGLE_FILE);
    }

    private static Model open(Path model) {
        return Model.open(model, ModelOptions.DEFAULT.withBackend(BackendChoice.CPU).withThreads(1));
    }

    private static boolean isInPlace(Model model) {
        boolean mapped = !model.loaded().forward().weights().files().isEmpty();
        assertEquals(mapped, model.loaded().forward().weights().tokenEmbedding() instanceof PackedMatrix matrix
                && matrix.data().isMapped());
        return mapped;
    }

    private static float[] logits(Model model) {
        try (Session session = model.newSession()) {
            session.append(IDS);
            return session.logits();
        }
    }

    private static void cut(Path file, long bytes) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.truncate(bytes);
        }
    }

    @ParameterizedTest
    @EnumSource(WeightType.class)
    void matricesInPlaceComputeTheBitsOfCopies(WeightType type) throws IOException {
        ModelOptions copied = ModelOptions.DEFAULT.withBackend(BackendChoice.CPU).withWeights(type);
        try (Model inPlace = open(packed(type)); Model copy = Model.open(plain, copied)) {
            assertTrue(isInPlace(inPlace));
            assertTrue(!isInPlace(copy));
            assertArrayEquals(logits(copy), logits(inPlace));
            assertArrayEquals(copy.embeddings().vector(200), inPlace.embeddings().vector(200));
        }
    }

    @Test
    void otherTypesAndOtherKernelsTakeCopies() throws IOException {
        Path packed = packed(WeightType.F32);
        ModelOptions half = ModelOptions.DEFAULT.withBackend(BackendChoice.CPU).withWeights(WeightType.F16);
        ModelOptions reference = ModelOptions.DEFAULT.withBackend(BackendChoice.REFERENCE);
        try (Model rounded = Model.open(packed, half); Model exact = Model.open(packed, reference);
                Model plainHalf = Model.open(plain, half); Model plainExact = Model.open(plain, reference)) {
            assertTrue(!isInPlace(rounded) && !isInPlace(exact));
            assertArrayEquals(logits(plainHalf), logits(rounded));
            assertArrayEquals(logits(plainExact), logits(exact));
        }
    }

    @Test
    void aFileThatIsReplacedOrDeletedLeavesItsModelAsItWas() throws IOException {
        Path packed = packed(WeightType.INT8);
        try (Model model = open(packed)) {
            float[] before = logits(model);
            Files.copy(weights(plain), directory.resolve("other"));
            Files.move(directory.resolve("other"), weights(packed), StandardCopyOption.REPLACE_EXISTING);
            assertArrayEquals(before, logits(model));
            Files.delete(weights(packed));
            assertArrayEquals(before, logits(model));
        }
    }

    @ParameterizedTest
    @EnumSource(WeightType.class)
    void aFileThatIsCutShortIsAnErrorAndNotTheEndOfTheProcess(WeightType type) throws IOException {
        Path packed = packed(type);
        try (Model model = open(packed); Session session = model.newSession(); Model other = open(plain)) {
            session.append(IDS);
            cut(weights(packed), Files.size(weights(packed)) / 2);

            CheckpointException lost = assertThrows(CheckpointException.class, () -> session.append(1));
            assertEquals(CheckpointException.Reason.UNREADABLE, lost.reason());
            assertEquals(weights(packed), lost.file());
            assertTrue(lost.getMessage().contains("cut short"), lost.getMessage());
            assertEquals(IDS.length, session.length());
            assertThrows(CheckpointException.class, () -> logits(model));
            logits(other);
        }
    }

    @Test
    void readingEmbeddingsThatAreLostIsAnError() throws IOException {
        Path packed = packed(WeightType.F32);
        float[] ones = new float[TinyModel.CHANNELS];
        Arrays.fill(ones, 1);
        try (Model model = open(packed)) {
            cut(weights(packed), 1);
            assertThrows(CheckpointException.class, () -> model.embeddings().vector(TinyModel.VOCABULARY - 1));
            assertThrows(CheckpointException.class, () -> model.embeddings().nearest(ones, 3));
        }
    }

    /** libisthmus watches so many files and no more. */
    @Test
    void modelsBeyondTheFilesThatCanBeWatchedTakeCopies() throws IOException {
        Path packed = packed(WeightType.INT8);
        List<Model> models = new ArrayList<>();
        try {
            while (models.size() < 1000 && (models.isEmpty() || isInPlace(models.getLast()))) {
                models.add(open(packed));
            }
            assertTrue(models.size() > 100 && models.size() < 1000, models.size() + " models");
            assertArrayEquals(logits(models.getFirst()), logits(models.getLast()));
        } finally {
            models.forEach(Model::close);
        }
        try (Model again = open(packed)) {
            assertTrue(isInPlace(again));
        }
    }
}
