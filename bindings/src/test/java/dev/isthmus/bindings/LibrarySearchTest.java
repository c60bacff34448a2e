package dev.isthmus.bindings;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import dev.isthmus.bindings.LibraryStatus.Attempt;
import dev.isthmus.bindings.LibraryStatus.Loaded;
import dev.isthmus.bindings.LibraryStatus.Origin;
import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.List;
import java.util.Map;
import java.util.jar.JarOutputStream;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LibrarySearchTest {
    private static final ClassLoader WITH_JARS = LibrarySearchTest.class.getClassLoader();
    private static final ClassLoader WITHOUT_JARS = new ClassLoader(null) { };

    @TempDir
    private Path dir;

    @Test
    void noneSwitchesALibraryOff() {
        for (NativeLibrary library : NativeLibrary.values()) {
            assertSwitchedOff(search(library, Map.of(library.property(), "none"), Map.of()),
                    "-D" + library.property() + "=none");
            assertSwitchedOff(search(library, Map.of(), Map.of(library.variable(), "none")),
                    library.variable() + "=none");
        }
    }

    @Test
    void thePropertyComesBeforeTheVariable() {
        LibraryStatus status = search(NativeLibrary.ISTHMUS, Map.of("isthmus.native.path", "/property/libisthmus.so"),
                Map.of("ISTHMUS_NATIVE", "/variable/libisthmus.so"));
        assertEquals(List.of(Attempt.failed("-Disthmus.native.path=/property/libisthmus.so",
                "there is no such file")), status.attempts());
    }

    @Test
    void aNamedFileThatIsNoLibraryIsReportedWithTheSystemsReasonAndNothingElseIsTried() throws IOException {
        Path text = Files.writeString(dir.resolve("libopenblas.so.0"), "no library");
        LibraryStatus status = searchNamed(text.toString());
        assertEquals(1, status.attempts().size());
        String reason = status.attempts().getFirst().failure().orElseThrow();
        assertTrue(reason.startsWith(text + ": "), reason);
        assertTrue(status.report().contains("OpenBLAS is not available"), status.report());
        assertTrue(status.report().contains(reason), status.report());
    }

    @Test
    void aNamedDirectoryIsNoLibrary() {
        assertEquals("this is no file", searchNamed(dir.toString()).attempts().getFirst().failure().orElseThrow());
    }

    @Test
    void aNameThatIsNoPathIsReported() {
        String reason = searchNamed("lib\0openblas.so").attempts().getFirst().failure().orElseThrow();
        assertTrue(reason.startsWith("this is no path"), reason);
    }

    @Test
    void aNameWithoutAFolderIsAskedOfTheSystemsLoader() {
        LibraryStatus status = searchNamed("libnosuchblas.so.9");
        assertEquals(List.of(Attempt.failed("-Disthmus.openblas.path=libnosuchblas.so.9",
                "the system's loader does not find it")), status.attempts());
    }

    @Test
    void aNamedLibraryThatIsNotOpenBlasIsRefused() {
        Path other = bundled().resolveSibling(NativeLibrary.OPENBLAS.bundledFiles(Platform.current()).getFirst());
        assumeFalse(other.equals(bundled()), "SKIPPED: needs a platform whose OpenBLAS comes in several files");
        String reason = searchNamed(other.toString()).attempts().getFirst().failure().orElseThrow();
        assertTrue(reason.contains("it has no function cblas_sgemm"), reason);
    }

    @Test
    void withoutTheJarTheReportSaysWhichJarAndGoesOnToTheSystem() {
        LibraryStatus status = LibrarySearch.run(NativeLibrary.OPENBLAS, settings(Map.of(), Map.of()),
                Platform.current(), WITHOUT_JARS).status();
        assertTrue(status.attempts().getFirst().toString().contains("the jar org.bytedeco:openblas, classifier "
                + Platform.current().bytedecoClassifier()), status::report);
        assertEquals("the system's " + NativeLibrary.OPENBLAS.systemNames(Platform.current()).getFirst(),
                status.attempts().get(1).place());
    }

    @Test
    void libisthmusIsNotLookedForInTheSystem() {
        LibraryStatus status = LibrarySearch.run(NativeLibrary.ISTHMUS, settings(Map.of(), Map.of()),
                Platform.current(), WITHOUT_JARS).status();
        assertFalse(status.available());
        assertEquals(1, status.attempts().size(), status::report);
    }

    @Test
    void aPlatformWithoutLibrariesIsNamed() {
        LibraryStatus status = LibrarySearch.run(NativeLibrary.ISTHMUS, settings(Map.of(), Map.of()),
                Platform.of("Plan 9", "mips"), WITH_JARS).status();
        assertTrue(status.report().contains("made for this platform"), status::report);
    }

    @Test
    void anEmptyCacheIsFilledAndThenUsed() throws IOException {
        Map<String, String> properties = Map.of("isthmus.cache", dir.resolve("cache").toString());
        Path first = Path.of(search(NativeLibrary.OPENBLAS, properties, Map.of()).loaded().orElseThrow().path());
        assertTrue(first.startsWith(dir), first::toString);
        Object firstFile = Files.readAttributes(first, BasicFileAttributes.class).fileKey();
        Path second = Path.of(search(NativeLibrary.OPENBLAS, properties, Map.of()).loaded().orElseThrow().path());
        assertEquals(firstFile, Files.readAttributes(second, BasicFileAttributes.class).fileKey());
    }

    @Test
    void aCacheThatCannotBeWrittenIsReportedAndAPrivateDirectoryIsUsed() throws IOException {
        Path file = Files.createFile(dir.resolve("a-file"));
        LibraryStatus status = search(NativeLibrary.OPENBLAS,
                Map.of("isthmus.cache", file.toString(), "java.io.tmpdir", dir.toString()), Map.of());
        assertTrue(status.attempts().getFirst().toString()
                .startsWith("extraction to " + file.resolve("natives") + ": "), status::report);
        Loaded loaded = status.loaded().orElseThrow(() -> new AssertionError(status.report()));
        assertTrue(Path.of(loaded.path()).startsWith(dir), loaded::path);
    }

    @Test
    void aBundledLibraryThatOpensAndIsRefusedIsNotUnpackedASecondTime() throws IOException {
        String resource = NativeLibrary.ISTHMUS.resourceFolder(Platform.current()) + "/"
                + NativeLibrary.ISTHMUS.bundledFiles(Platform.current()).getLast();
        Path jar = dir.resolve("natives.jar");
        try (JarOutputStream out = new JarOutputStream(Files.newOutputStream(jar))) {
            out.putNextEntry(new ZipEntry(resource));
            Files.copy(bundled(), out);
        }
        Settings settings = settings(Map.of("isthmus.cache", dir.toString(), "java.io.tmpdir", dir.toString()),
                Map.of());
        try (URLClassLoader withOpenBlasForLibisthmus = new URLClassLoader(new URL[] {jar.toUri().toURL()}, null)) {
            LibraryStatus status = LibrarySearch.run(NativeLibrary.ISTHMUS, settings, Platform.current(),
                    withOpenBlasForLibisthmus).status();
            assertEquals(1, status.attempts().size(), status::report);
            assertEquals("it has no function isthmus_abi_version",
                    status.attempts().getFirst().failure().orElseThrow());
        }
    }

    @Test
    void homeThatNoPathNamesIsPassedOver() {
        LibraryStatus status = search(NativeLibrary.OPENBLAS,
                Map.of("user.home", "/home/k\0fer", "java.io.tmpdir", dir.toString()), Map.of());
        Loaded loaded = status.loaded().orElseThrow(() -> new AssertionError(status.report()));
        assertTrue(Path.of(loaded.path()).startsWith(dir), loaded::path);
    }

    @Test
    void whereNothingCanBeWrittenEachPlaceIsReported() throws IOException {
        Path file = Files.createFile(dir.resolve("a-file"));
        LibraryStatus status = LibrarySearch.run(NativeLibrary.OPENBLAS,
                new Settings(Map.of("isthmus.cache", file.toString(), "java.io.tmpdir", file.toString())::get,
                        name -> null), Platform.current(), WITH_JARS).status();
        List<String> places = status.attempts().stream().map(Attempt::place).toList();
        assertEquals(List.of("extraction to " + file.resolve("natives"), "extraction to " + file),
                places.subList(0, 2));
        try (Stream<Path> left = Files.list(dir)) {
            assertEquals(List.of(file), left.toList());
        }
    }

    private static void assertSwitchedOff(LibraryStatus status, String place) {
        assertFalse(status.available());
        assertEquals(List.of(Attempt.failed(place, "switched off")), status.attempts());
    }

    private static Path bundled() {
        return Path.of(NativeLibraries.status(NativeLibrary.OPENBLAS).loaded().orElseThrow().path());
    }

    private static LibraryStatus searchNamed(String value) {
        return search(NativeLibrary.OPENBLAS, Map.of("isthmus.openblas.path", value), Map.of());
    }

    private static LibraryStatus search(NativeLibrary library, Map<String, String> properties,
            Map<String, String> environment) {
        return LibrarySearch.run(library, settings(properties, environment), Platform.current(), WITH_JARS).status();
    }

    private static Settings settings(Map<String, String> properties, Map<String, String> environment) {
        return new Settings(properties::get, environment::get);
    }
}
