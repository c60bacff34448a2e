package dev.isthmus.examples.packaging;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.jar.JarFile;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** One program generates text with the native kernels, however it is packaged. */
class PackagingTest {
    private static final String MODULE = "dev.isthmus.examples.packaging";
    private static final String MAIN = MODULE + ".Program";
    private static final Path JAVA_HOME = Path.of(System.getProperty("java.home"));
    private static final Path TARGET = Path.of("target").toAbsolutePath();

    @TempDir
    private Path dir;

    @BeforeAll
    static void needsTheKernels() {
        assumeTrue(PackagingTest.class.getClassLoader().getResource("META-INF/native") != null,
                "SKIPPED: needs libisthmus, which no C compiler was there to build");
    }

    @Test
    void onTheClassPath() throws Exception {
        assertGenerates(java(), "--enable-native-access=ALL-UNNAMED", "-cp",
                jar("") + File.pathSeparator + TARGET.resolve("lib") + File.separator + "*", MAIN);
    }

    @Test
    void onTheModulePath() throws Exception {
        assertGenerates(java(), "--enable-native-access=dev.isthmus.bindings", "-p", modulePath(), "-m",
                MODULE + "/" + MAIN);
    }

    @Test
    void inAnImage() throws Exception {
        Path image = dir.resolve("image");
        Process jlink = start(List.of(JAVA_HOME.resolve("bin").resolve("jlink").toString(), "-p", modulePath(),
                "--add-modules", MODULE, "--add-options=--enable-native-access=dev.isthmus.bindings",
                "--launcher=program=" + MODULE + "/" + MAIN, "--output", image.toString()));
        String output = text(jlink.getInputStream()) + text(jlink.getErrorStream());
        assertEquals(0, jlink.waitFor(), output);
        assertGenerates(image.resolve("bin").resolve("program").toString());
    }

    @Test
    void asOneJar() throws Exception {
        assertGenerates(java(), "-jar", jar("-all").toString());
    }

    @Test
    void everyJarHoldsTheLicense() throws IOException {
        List<Path> jars = new ArrayList<>(List.of(jar(""), jar("-all")));
        try (Stream<Path> libraries = Files.list(TARGET.resolve("lib"))) {
            jars.addAll(libraries.filter(file -> file.getFileName().toString().startsWith("isthmus-")).toList());
        }
        assertTrue(jars.size() >= 5, jars::toString);
        for (Path jar : jars) {
            try (JarFile file = new JarFile(jar.toFile())) {
                assertNotNull(file.getEntry("META-INF/LICENSE"), jar::toString);
            }
        }
    }

    /** A JVM that has not been told of native access refuses it, as later ones will by themselves. */
    private void assertGenerates(String... command) throws Exception {
        List<String> words = new ArrayList<>(Arrays.asList(command));
        words.addAll(List.of(System.getProperty("demo.model"), "KING RICHARD"));
        Process process = start(words);
        String generated = text(process.getInputStream());
        String report = text(process.getErrorStream());
        assertEquals(0, process.waitFor(), report);
        assertFalse(generated.isBlank(), report);
        assertTrue(report.contains("cpu: libisthmus"), report);
    }

    private static String text(InputStream output) throws IOException {
        return new String(output.readAllBytes(), StandardCharsets.UTF_8);
    }

    private Process start(List<String> command) throws IOException {
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.environment().keySet().removeAll(List.of("ISTHMUS_NATIVE", "ISTHMUS_LEVEL"));
        builder.environment().put("JDK_JAVA_OPTIONS", "--illegal-native-access=deny");
        builder.environment().put("ISTHMUS_CACHE", dir.resolve("cache").toString());
        builder.environment().put("ISTHMUS_OPENBLAS", "none");
        return builder.start();
    }

    private static String java() {
        return JAVA_HOME.resolve("bin").resolve("java").toString();
    }

    private static String modulePath() throws IOException {
        return jar("") + File.pathSeparator + TARGET.resolve("lib");
    }

    /** This module's jar with that classifier. */
    private static Path jar(String classifier) throws IOException {
        try (Stream<Path> files = Files.list(TARGET)) {
            return files.filter(file -> file.getFileName().toString()
                    .matches("isthmus-examples-packaging-[0-9.]+(-SNAPSHOT)?" + classifier + "\\.jar"))
                    .findFirst().orElseThrow(() -> new AssertionError("no jar in " + TARGET + "; run mvn verify"));
        }
    }
}
