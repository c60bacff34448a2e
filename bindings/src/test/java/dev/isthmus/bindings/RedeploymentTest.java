package dev.isthmus.bindings;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The process's SIGBUS handler outlives the applications that made libisthmus install it. */
class RedeploymentTest {
    private static final List<String> JVM = List.of("--enable-native-access=ALL-UNNAMED",
            "-XX:SoftRefLRUPolicyMSPerMB=0", "-XX:+UseSerialGC", "-XX:-CreateCoredumpOnCrash");

    @TempDir
    private Path folder;
    private LibraryStatus libisthmus;

    @BeforeEach
    void needsLibisthmus() {
        libisthmus = NativeLibraries.status(NativeLibrary.ISTHMUS);
        assumeTrue(libisthmus.available(), () -> "SKIPPED: needs libisthmus: " + libisthmus.report());
    }

    /** Letters are copies of the library: {@code +a} deploys an application that uses copy a, {@code -a} undeploys it. */
    @ParameterizedTest
    @ValueSource(strings = {"+a -a", "+a -a +a -a", "+a +b -a -b", "+a +b -b -a", "+a -a +b +c -c -b"})
    void mappedFilesMayShrinkAfterRedeployment(String steps) throws Exception {
        List<String> arguments = new ArrayList<>(List.of("redeploy"));
        for (String step : steps.split(" ")) {
            arguments.add(step.charAt(0) + copy(step.substring(1)).toString());
        }
        List<String> options = new ArrayList<>(JVM);
        options.add("-XX:ErrorFile=" + folder.resolve("hs_err.log"));
        ChildJvm.Outcome outcome = ChildJvm.start(options, arguments.toArray(String[]::new)).await();
        assertEquals(0, outcome.exitCode(), outcome::output);
        assertEquals(steps.split(" ").length, outcome.output().lines().filter(line -> line.startsWith("survived ")).count(),
                outcome::output);
    }

    @Test
    void libisthmusStaysLoadedOnceItsUsersAreGone() throws IOException {
        Path maps = Path.of("/proc/self/maps");
        assumeTrue(Files.exists(maps), "SKIPPED: needs Linux, to see what a process has mapped");
        Path copy = copy("closed");
        try (Arena arena = Arena.ofConfined()) {
            assertTrue(SymbolLookup.libraryLookup(copy, arena).find("isthmus_watch").isPresent());
        }
        assertTrue(Files.readString(maps).contains(copy.toString()), "unloaded with its arena");
    }

    private Path copy(String name) {
        Path original = Path.of(libisthmus.loaded().orElseThrow().path());
        try {
            return Files.copy(original, folder.resolve(name + "-" + original.getFileName()),
                    StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException failure) {
            throw new AssertionError(failure);
        }
    }
}
