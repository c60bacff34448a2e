package dev.isthmus.bindings;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Loading as whole processes see it. */
class ProcessTest {
    private static final String NATIVE_ACCESS = "--enable-native-access=ALL-UNNAMED";

    @TempDir
    private Path dir;

    @Test
    void processesThatExtractAtOnceAllSucceedAndLeaveOneCopy() throws Exception {
        List<ChildJvm> children = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            children.add(ChildJvm.start(List.of(NATIVE_ACCESS, "-Disthmus.cache=" + dir), "report"));
        }
        for (ChildJvm child : children) {
            ChildJvm.Outcome outcome = child.await();
            assertEquals(0, outcome.exitCode(), outcome::output);
            assertTrue(outcome.output().contains("OpenBLAS: bundled, " + dir), outcome::output);
        }
        assertEquals(new TreeSet<>(NativeLibrary.OPENBLAS.bundledFiles(Platform.current())), filesIn(dir));
    }

    @Test
    void aPrivateDirectoryIsGoneAtExit() throws Exception {
        Path file = Files.createFile(dir.resolve("a-file"));
        ChildJvm.Outcome outcome = ChildJvm.start(
                List.of(NATIVE_ACCESS, "-Disthmus.cache=" + file, "-Djava.io.tmpdir=" + dir), "report").await();
        assertTrue(outcome.output().contains("OpenBLAS: bundled, " + dir), outcome::output);
        assertEquals(new TreeSet<>(List.of("a-file")), filesIn(dir));
    }

    @Test
    void aNamedLibraryIsLoadedWithTheLibrariesBesideIt() throws Exception {
        assumeTrue(Files.exists(Path.of("/proc/self/maps")), "SKIPPED: needs Linux, to see what a process has mapped");
        Path bundled = Path.of(NativeLibraries.status(NativeLibrary.OPENBLAS).loaded().orElseThrow().path());
        ChildJvm.Outcome outcome = ChildJvm.start(
                List.of(NATIVE_ACCESS, "-Disthmus.openblas.path=" + bundled), "maps").await();
        assertTrue(outcome.output().contains("OpenBLAS: named explicitly, " + bundled), outcome::output);
        for (String file : NativeLibrary.OPENBLAS.bundledFiles(Platform.current())) {
            assertTrue(outcome.output().contains(" " + bundled.resolveSibling(file)), file);
        }
    }

    @Test
    void aJvmWithoutNativeAccessReportsTheFlagToAdd() throws Exception {
        ChildJvm.Outcome outcome = ChildJvm.start(
                List.of("--illegal-native-access=deny", "-Disthmus.cache=" + dir), "report").await();
        assertEquals(0, outcome.exitCode(), outcome::output);
        assertTrue(outcome.output().contains("add --enable-native-access=ALL-UNNAMED to java's options"),
                outcome::output);
    }

    @Test
    void threadsThatAskAtOnceGetOneAnswer() throws Exception {
        ChildJvm.Outcome outcome = ChildJvm.start(List.of(NATIVE_ACCESS, "-Disthmus.cache=" + dir), "threads").await();
        assertTrue(outcome.output().contains("answers: 1"), outcome::output);
    }

    @Test
    void anInterruptedThreadFindsTheLibrary() throws Exception {
        ChildJvm.Outcome outcome =
                ChildJvm.start(List.of(NATIVE_ACCESS, "-Disthmus.cache=" + dir), "interrupted").await();
        assertTrue(outcome.output().contains("OpenBLAS: bundled, " + dir), outcome::output);
        assertTrue(outcome.output().contains("interrupted: true"), outcome::output);
    }

    @Test
    void withoutItsLibraryABindingHasItsConstantsAndACallSaysWhatIsMissing() throws Exception {
        ChildJvm.Outcome outcome = ChildJvm.start(List.of(NATIVE_ACCESS, "-Disthmus.openblas.path=none"), "call")
                .await();
        String reason = "OpenBLAS is not available. To name a file, set -Disthmus.openblas.path or ISTHMUS_OPENBLAS.";
        assertTrue(outcome.output().contains("constant: 101"), outcome::output);
        assertTrue(outcome.output().contains("require: " + reason), outcome::output);
        assertTrue(outcome.output().contains("call: " + NativeLibraryException.class.getName() + ": " + reason),
                outcome::output);
    }

    private static TreeSet<String> filesIn(Path directory) throws IOException {
        try (Stream<Path> files = Files.walk(directory)) {
            return files.filter(Files::isRegularFile).map(file -> file.getFileName().toString())
                    .collect(Collectors.toCollection(TreeSet::new));
        }
    }
}
