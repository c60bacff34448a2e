package dev.isthmus.engine.api;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.bindings.NativeLibraries;
import dev.isthmus.bindings.NativeLibrary;
import dev.isthmus.engine.ChildJvm;
import dev.isthmus.engine.StandIn;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.errors.BackendException;
import dev.isthmus.engine.errors.EngineException;
import dev.isthmus.engine.errors.UnsupportedModelException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What an application is told where the GPU cannot be used, and that nothing is left behind on it. */
class CudaFaultsTest {

    private static final ModelOptions CUDA = ModelOptions.DEFAULT.withBackend(BackendChoice.CUDA).withThreads(1);

    @TempDir
    static Path directory;

    private StandIn device;
    private long before;

    @BeforeEach
    void takeTheStandIn() throws IOException {
        device = StandIn.assumed();
        before = device.count("allocated_bytes");
        if (Files.notExists(directory.resolve("config.json"))) {
            TinyModel.write(directory);
        }
    }

    @AfterEach
    void takeFaultsBack() {
        if (device != null) {
            device.close();
        }
    }

    @ParameterizedTest
    @CsvSource({
        "init, 100, CUDA_ERROR_NO_DEVICE, nvidia-smi",
        "driver_version, 12040, found one for CUDA 12.4, update NVIDIA's driver",
        "devices, 0, found none, CUDA_VISIBLE_DEVICES",
        "capability, 75, expected compute capability 8.0 or newer, the CPU backend",
        "module, 209, CUDA_ERROR_NO_BINARY_FOR_GPU, update NVIDIA's driver",
        "cublas, 1, CUBLAS_STATUS_NOT_INITIALIZED, isthmus info",
        "memory, 1000000, found, keep the weights in fewer bits (BF16)",
    })
    void whatIsWrongWithTheGpuIsSaidWithTheRemedy(String fault, long value, String found, String remedy) {
        device.fault(fault, value);
        String message = assertThrows(BackendException.class, () -> Model.open(directory, CUDA)).getMessage();
        assertTrue(message.startsWith("cuda: ") && message.contains(found) && message.contains(remedy)
                && message.contains("the CPU backend"), message);
        assertEquals(before, device.count("allocated_bytes"));
    }

    @Test
    void whereverMemoryRunsOutNothingIsLeftBehind() {
        boolean opened = false;
        int allocation = 0;
        while (!opened) {
            device.fault("allocation", ++allocation);
            try (Model model = Model.open(directory, CUDA); Session session = model.newSession()) {
                session.append(1, 2, 3);
                session.logits();
                opened = true;
            } catch (BackendException full) {
                assertTrue(full.getMessage().contains("close other programs and sessions"), full.getMessage());
            }
            device.close();
            assertEquals(before, device.count("allocated_bytes"), "after allocation " + allocation);
        }
        assertTrue(allocation > 10, "allocations that failed: " + (allocation - 1));
    }

    @Test
    void aSessionThatFoundNoMemoryGoesOnWhenThereIsSome() {
        try (Model model = Model.open(directory, CUDA); Session session = model.newSession()) {
            session.append(1, 2);
            try (Session other = model.newSession()) {
                device.fault("allocation", 1);
                assertThrows(BackendException.class, () -> other.append(new int[30]));
                assertEquals(0, other.length());
                other.append(new int[30]);
            }
            session.append(3);
            assertEquals(3, session.length());
        }
    }

    /** Lets a kernel fail, closes the model and opens it again, with CUDA and with what is chosen automatically. */
    static final class Failing {

        private Failing() {}

        public static void main(String[] arguments) {
            Path directory = Path.of(arguments[0]);
            try (StandIn device = StandIn.assumed();
                    Model model = Model.open(directory, CUDA); Session session = model.newSession()) {
                session.append(1, 2);
                session.logits();
                device.fault("launch", Long.parseLong(arguments[1]));
                say("generate", () -> session.generate(GenerationOptions.builder().greedy().maxTokens(9).build())
                        .forEach(token -> {}));
                say("same session", session::logits);
                say("same model", () -> model.newSession().append(1));
            }
            say("reopen", () -> Model.open(directory, CUDA).close());
            say("auto", () -> Opening.main(new String[] {arguments[0], "AUTO"}));
        }

        private static void say(String what, Runnable work) {
            try {
                work.run();
                System.out.println(what + " works");
            } catch (BackendException e) {
                System.out.println(what + ": " + e.getMessage());
            }
        }
    }

    /** In its first pass as it is, in one that is recorded and repeated, and in sampling. */
    @ParameterizedTest
    @ValueSource(ints = {1, 3, 90, 130})
    void afterAFailedKernelOnlyANewProcessHelps(int kernel) throws IOException, InterruptedException {
        List<String> lines = inAnotherJvm(Failing.class, List.of(), Integer.toString(kernel)).lines().toList();
        String output = String.join("\n", lines);
        for (String what : List.of("generate", "same session", "reopen")) {
            String line = lines.stream().filter(each -> each.startsWith(what + ": ")).findFirst().orElse("");
            assertTrue(line.contains("CUDA_ERROR_ILLEGAL_ADDRESS (an illegal memory access was encountered)")
                    && line.contains("restart") && line.contains("process") && line.contains("use the CPU backend")
                    && !line.contains("open it again"), what + " in " + output);
        }
        assertTrue(output.contains("cannot be used again before this process is restarted"), output);
        assertTrue(lines.stream().anyMatch(line -> line.startsWith("runs on cpu")), output);
    }

    @Test
    void whatTheKernelsLackIsRefusedBeforeAnythingIsRead() throws IOException {
        String message = assertThrows(BackendException.class,
                () -> Model.open(directory, CUDA.withWeights(WeightType.INT8))).getMessage();
        assertTrue(message.contains("expected F32, F16 or BF16, found INT8"), message);
        Path heads = Files.createDirectory(directory.resolve("heads"));
        Files.writeString(heads.resolve("config.json"), Files.readString(directory.resolve("config.json"))
                .replace("\"n_head\": 3", "\"n_head\": 6"));
        Files.copy(directory.resolve("model.safetensors"), heads.resolve("model.safetensors"));
        message = assertThrows(UnsupportedModelException.class, () -> Model.open(heads, CUDA)).getMessage();
        assertTrue(message.contains("[32, 64, 80, 96, 128]") && message.contains("found 16"), message);
        assertEquals(before, device.count("allocated_bytes"));
    }

    /** Opens a model with a backend and says what it runs on, or why not. */
    static final class Opening {

        private Opening() {}

        public static void main(String[] arguments) {
            ModelOptions options = ModelOptions.DEFAULT.withBackend(BackendChoice.valueOf(arguments[1]));
            try (Model model = Model.open(Path.of(arguments[0]), options)) {
                System.out.println("runs on " + model.backend());
            } catch (EngineException e) {
                System.out.println(e.getClass().getSimpleName() + ": " + e.getMessage());
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        "-Disthmus.cuda=none, expected CUDA driver, switched off",
        "-Disthmus.cuda=/no/libcuda.so.1, install NVIDIA's driver, there is no such file",
        "-Disthmus.cublas=none, expected cuBLAS, pip install nvidia-cublas",
    })
    void aMissingLibraryIsNamedAndAutoTakesTheCpu(String option, String found, String remedy)
            throws IOException, InterruptedException {
        String asked = opening(option, "CUDA");
        assertTrue(asked.startsWith("BackendException: cuda: ") && asked.contains(found) && asked.contains(remedy),
                asked);
        assertTrue(opening(option, "AUTO").startsWith("runs on cpu"));
    }

    private static String opening(String option, String backend) throws IOException, InterruptedException {
        return inAnotherJvm(Opening.class, List.of(option), backend);
    }

    private static String inAnotherJvm(Class<?> main, List<String> options, String argument)
            throws IOException, InterruptedException {
        String standIn = NativeLibraries.status(NativeLibrary.CUDA).loaded().orElseThrow().path();
        List<String> all = new ArrayList<>(List.of("-Disthmus.cuda=" + standIn, "-Disthmus.cublas=" + standIn));
        all.addAll(options);
        Process process = ChildJvm.of(all, main.getName(), List.of(directory.toString(), argument)).start();
        String output = new String(process.getInputStream().readAllBytes());
        process.waitFor();
        return output;
    }
}
