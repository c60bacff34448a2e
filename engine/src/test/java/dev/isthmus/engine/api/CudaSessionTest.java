package dev.isthmus.engine.api;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.StandIn;
import dev.isthmus.engine.config.WeightType;
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

/** What a session costs on a GPU, counted by the stand-in for one. */
class CudaSessionTest {

    private static final GenerationOptions GREEDY =
            GenerationOptions.builder().greedy().maxTokens(30).stopAtEndOfText(false).build();

    @TempDir
    static Path directory;

    private StandIn device;

    @BeforeEach
    void takeTheStandIn() throws IOException {
        device = StandIn.assumed();
        if (Files.notExists(directory.resolve("config.json"))) {
            TinyModel.write(directory);
        }
    }

    private static Model open(BackendChoice backend) {
        return Model.open(directory, ModelOptions.DEFAULT.withBackend(backend).withThreads(1));
    }

    @Test
    void decodingRepeatsOneRecordedPassAndAllocatesNothing() {
        try (Model model = open(BackendChoice.CUDA); Session session = model.newSession()) {
            session.append(1, 2, 3);
            List<Long> allocations = new ArrayList<>();
            List<Long> waits = new ArrayList<>();
            List<Long> graphs = new ArrayList<>();
            for (Token token : session.generate(GREEDY)) {
                assertTrue(token.id() >= 0);
                allocations.add(device.count("allocations"));
                waits.add(device.count("synchronizations"));
                graphs.add(device.count("graph_launches"));
            }
            int last = allocations.size() - 1;
            // The first pass of one row runs as it is, the second is recorded.
            assertEquals(allocations.get(2), allocations.get(last), "allocations in the token loop");
            assertEquals(last - 2, graphs.get(last) - graphs.get(2), "one launch for each token");
            assertTrue(waits.get(last) - waits.get(2) <= last - 2, "one wait for each token");
        }
    }

    @Test
    void closingGivesAllMemoryBackInAnyOrderAndNothingWasWrittenBesideIt() {
        long before = device.count("allocated_bytes");
        for (boolean modelFirst : new boolean[] {false, true}) {
            Model model = open(BackendChoice.CUDA);
            Session session = model.newSession();
            session.append(1, 2, 3);
            session.generate(GREEDY).forEach(token -> {});
            assertTrue(device.count("allocated_bytes") > before);
            if (modelFirst) {
                model.close();
            }
            session.close();
            model.close();
            assertEquals(before, device.count("allocated_bytes"));
            assertEquals(0, device.count("broken_guards"));
        }
    }

    @ParameterizedTest
    @CsvSource({"0, 0, 1, 0", "1, 0, 1, 0", "1.5, 20, 1, 0", "0.7, 0, 0.8, 0", "2, 50, 0.95, 0.001"})
    void theTokenChosenOnTheDeviceIsTheSamplers(double temperature, int topK, double topP, double minP) {
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

    @ParameterizedTest
    @EnumSource(value = WeightType.class, names = {"F16", "BF16"})
    void weightsOfSixteenBitsGiveNearlyTheSameLogits(WeightType type) {
        ModelOptions options = ModelOptions.DEFAULT.withWeights(type).withThreads(1);
        try (Model gpu = Model.open(directory, options.withBackend(BackendChoice.CUDA));
                Model cpu = Model.open(directory, options.withBackend(BackendChoice.CPU));
                Session onGpu = gpu.newSession(); Session onCpu = cpu.newSession()) {
            int[] ids = {9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 11, 12};
            onGpu.append(ids);
            onCpu.append(ids);
            float[] found = onGpu.logits();
            float[] expected = onCpu.logits();
            double squares = 0;
            double errors = 0;
            for (int i = 0; i < found.length; i++) {
                squares += expected[i] * expected[i];
                errors += (found[i] - expected[i]) * (found[i] - expected[i]);
            }
            double error = Math.sqrt(errors / squares);
            assertTrue(error < (type == WeightType.F16 ? 0.01 : 0.08), "relative error " + error);
        }
    }

    @Test
    void memoryOnTheDeviceCannotBeReadFromJava() {
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
