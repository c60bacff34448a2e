package dev.isthmus.engine.api;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.isthmus.engine.ChildJvm;
import dev.isthmus.engine.config.KernelKind;
import dev.isthmus.engine.kernels.cpu.CpuChoice;
import java.io.File;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What computes can be asked and required, and where Java does for want of the C kernels, one warning says why. */
class KernelKindTest {

    private static final String NATIVE_ACCESS = "--enable-native-access=ALL-UNNAMED";

    @TempDir
    static Path folder;

    private static Path model;

    @BeforeAll
    static void makeModel() throws IOException {
        model = TinyModel.write(folder);
    }

    private static ProcessBuilder jvm(String options) {
        List<String> all = new ArrayList<>(List.of("-Disthmus.cuda=none"));
        all.addAll(Arrays.asList(options.split(" ")));
        return ChildJvm.of(all, OpenedKernels.class.getName(), List.of(model.toString()));
    }

    private static String output(ProcessBuilder builder) throws IOException, InterruptedException {
        Process process = builder.start();
        String output = new String(process.getInputStream().readAllBytes());
        assertEquals(0, process.waitFor(), output);
        return output;
    }

    private static void assertOneWarning(String output, String remedy) {
        List<String> warnings = output.lines().filter(line -> line.contains("The C kernels are not available: ")
                && !line.startsWith("refused ")).toList();
        assertEquals(1, warnings.size(), output);
        assertTrue(warnings.getFirst().contains(remedy), output);
        assertTrue(output.lines().anyMatch(line -> line.startsWith("refused ") && line.contains(remedy)), output);
    }

    @Test
    void deniedNativeAccessIsWarnedOf() throws Exception {
        ProcessBuilder jvm = jvm("--illegal-native-access=deny");
        jvm.command().remove(NATIVE_ACCESS);
        String output = output(jvm);
        assertTrue(output.contains("kind " + KernelKind.JAVA + System.lineSeparator()), output);
        assertOneWarning(output, "add " + NATIVE_ACCESS);
    }

    @Test
    void missingLibraryIsWarnedOf() throws Exception {
        String output = output(jvm("-Disthmus.native.path=" + folder.resolve("absent.so")));
        assertTrue(output.contains("kind JAVA"), output);
        assertOneWarning(output, "absent.so: there is no such file");
    }

    @Test
    void missingJarIsWarnedOf() throws Exception {
        ProcessBuilder jvm = jvm("-Da=b");
        List<String> command = jvm.command();
        int classPath = command.indexOf("-cp") + 1;
        command.set(classPath, Arrays.stream(command.get(classPath).split(File.pathSeparator))
                .filter(entry -> !entry.contains("native")).collect(Collectors.joining(File.pathSeparator)));
        assertOneWarning(output(jvm), "it comes with the jar dev.isthmus:isthmus-native, classifier ");
    }

    @ParameterizedTest
    @CsvSource({"-Disthmus.native.path=none, switched off", "-Disthmus.level=java, asks for java"})
    void choosingJavaIsNoReasonToWarn(String option, String reason) throws Exception {
        String output = output(jvm(option));
        assertTrue(output.contains("kind JAVA"), output);
        assertTrue(output.lines().noneMatch(line -> line.contains("WARNING")), output);
        assertTrue(output.lines().anyMatch(line -> line.startsWith("refused ") && line.contains(reason)), output);
    }

    @Test
    void openBlasMakesAnotherKind() throws Exception {
        String none = output(jvm("-Disthmus.level=java -Disthmus.openblas.path=none"));
        assertTrue(none.contains("kind " + KernelKind.JAVA + System.lineSeparator()), none);
        String bundled = output(jvm("-Disthmus.level=java"));
        assertTrue(bundled.contains("kind " + KernelKind.JAVA_WITH_OPENBLAS), bundled);
    }

    @Test
    void theCKernelsCanBeRequired() throws Exception {
        assumeTrue(!CpuChoice.supportedLevels().isEmpty(), "SKIPPED: needs libisthmus");
        String output = output(jvm("-Da=b"));
        assertTrue(output.contains("kind " + KernelKind.C) && output.contains("required " + KernelKind.C), output);
        assertTrue(output.lines().noneMatch(line -> line.contains("WARNING")), output);
        try (Model reference = Model.open(model, ModelOptions.DEFAULT.withBackend(BackendChoice.REFERENCE))) {
            assertEquals(KernelKind.REFERENCE, reference.kernelKind());
        }
    }
}
