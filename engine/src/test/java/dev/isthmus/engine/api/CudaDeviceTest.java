package dev.isthmus.engine.api;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.kernels.TestBackend;
import dev.isthmus.engine.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Sessions on any CUDA device, the stand-in or a GPU, against float64 and against the CPU's sampler. */
class CudaDeviceTest {

    private static final GenerationOptions GREEDY =
            GenerationOptions.builder().greedy().maxTokens(20).stopAtEndOfText(false).build();

    private static final int[] IDS = {9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 11, 12, 200, 100, 258, 17};

    @TempDir
    static Path directory;

    @BeforeEach
    void writeModel() throws IOException {
        assumeFalse(TestBackend.cuda().isEmpty(), "needs a CUDA driver, or the stand-in for one");
        if (Files.notExists(directory.resolve("config.json"))) {
            TinyModel.write(directory);
        }
    }

    private static Model open(BackendChoice backend) {
        return open(backend, WeightType.F32);
    }

    private static Model open(BackendChoice backend, WeightType type) {
        return Model.open(directory, ModelOptions.DEFAULT.withBackend(backend).withWeights(type).withThreads(1));
    }

    @ParameterizedTest
    @CsvSource({"0, 0, 1, 0", "1, 0, 1, 0", "1.5, 20, 1, 0", "0.7, 0, 0.8, 0", "2, 50, 0.95, 0.001"})
    void deviceSamplesTheSamplersTokens(double temperature, int topK, double topP, double minP) {
        GenerationOptions options = GenerationOptions.builder().temperature(temperature).topK(topK).topP(topP)
                .minP(minP).seed(7).maxTokens(12).stopAtEndOfText(false).build();
        try (Model model = open(BackendChoice.CUDA); Session session = model.newSession()) {
            session.append(5, 6, 7);
            // With log-probabilities the logits come back and the Sampler chooses.
            List<Integer> bySampler = ids(session.generate(options.toBuilder().logprobs(0).build()));
            session.rewind(3);
            assertEquals(bySampler, ids(session.generate(options)));
        }
    }

    /** Many rows at once, and single steps, which from the third on repeat a recorded pass. */
    @ParameterizedTest
    @EnumSource(value = WeightType.class, names = {"F32", "F16", "BF16"})
    void logitsMatchFloat64OfTheRoundedWeights(WeightType type) {
        try (Model gpu = open(BackendChoice.CUDA, type); Model exact = open(BackendChoice.REFERENCE, type);
                Session prefilled = gpu.newSession(); Session stepped = gpu.newSession();
                Session reference = exact.newSession()) {
            reference.append(IDS);
            float[] expected = reference.logits();
            prefilled.append(IDS);
            for (int id : IDS) {
                stepped.append(id);
            }
            assertNear(expected, prefilled.logits(), type, "prefill");
            assertNear(expected, stepped.logits(), type, "single steps");
        }
    }

    private static void assertNear(float[] expected, float[] found, WeightType type, String how) {
        double squares = 0;
        double errors = 0;
        for (int i = 0; i < found.length; i++) {
            squares += (double) expected[i] * expected[i];
            errors += Math.pow((double) found[i] - expected[i], 2);
        }
        double error = Math.sqrt(errors / squares);
        double bound = switch (type) {
            case F32 -> 3e-6;
            case F16 -> 6e-3;
            default -> 4e-2;
        };
        assertTrue(error <= bound, how + ": expected a relative error within " + bound + ", found " + error);
    }

    @ParameterizedTest
    @CsvSource({"true", "false"})
    void modelsAndSessionsCloseInAnyOrder(boolean modelFirst) {
        List<Integer> first = null;
        for (int round = 0; round < 2; round++) {
            Model model = open(BackendChoice.CUDA);
            Session session = model.newSession();
            session.append(1, 2, 3);
            List<Integer> ids = ids(session.generate(GREEDY));
            if (modelFirst) {
                model.close();
            }
            session.close();
            model.close();
            first = first == null ? ids : first;
            assertEquals(first, ids, "after closing and opening again");
        }
    }

    @Test
    void javaCannotReadMemoryOnTheDevice() {
        try (Model model = open(BackendChoice.CUDA); Arena arena = Arena.ofShared()) {
            Tensor tensor = model.loaded().backend().tensors().allocate(arena, 4);
            assertThrows(IndexOutOfBoundsException.class, () -> tensor.data().get(ValueLayout.JAVA_BYTE, 0));
        }
    }

    private static List<Integer> ids(Generation generation) {
        List<Integer> ids = new ArrayList<>();
        generation.forEach(token -> ids.add(token.id()));
        return ids;
    }
}
