package dev.isthmus.bindings;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.jar.JarOutputStream;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class NativeCacheTest {
    private static final byte[] CONTENT = "the bytes of a library".getBytes(StandardCharsets.UTF_8);

    @TempDir
    private Path dir;
    private NativeCache cache;
    private Path jar;

    @BeforeEach
    void aJarWithOneLibrary() throws IOException {
        cache = new NativeCache(dir.resolve("cache"), false);
        jar = dir.resolve("natives.jar");
        writeJar(CONTENT);
    }

    @Test
    void anExtractedFileHasTheResourcesBytes() throws IOException {
        Path file = extract();
        assertArrayEquals(CONTENT, Files.readAllBytes(file));
        assertEquals(List.of("libx.so"), names(file.getParent()));
    }

    @Test
    void anExtractedFileIsNotExtractedAgain() throws IOException {
        BundledResource resource = find();
        Path file = cache.extract("x", List.of(resource)).getFirst();
        Files.delete(jar);
        assertEquals(file, cache.extract("x", List.of(resource)).getFirst());
    }

    @Test
    void aFileThatWasCutShortIsExtractedAgain() throws IOException {
        Path file = extract();
        FileTime seal = Files.getLastModifiedTime(file);
        Files.write(file, new byte[3]);
        Files.setLastModifiedTime(file, seal);
        assertArrayEquals(CONTENT, Files.readAllBytes(extract()));
    }

    @Test
    void aFileThatWasOverwrittenInItsLengthIsExtractedAgain() throws IOException {
        Files.write(extract(), new byte[CONTENT.length]);
        assertArrayEquals(CONTENT, Files.readAllBytes(extract()));
    }

    @Test
    void otherContentGoesToAnotherDirectoryAndLeavesTheFirst() throws IOException {
        Path first = extract();
        byte[] other = CONTENT.clone();
        other[0]++;
        writeJar(other);
        Path second = extract();
        assertNotEquals(first, second);
        assertArrayEquals(CONTENT, Files.readAllBytes(first));
        assertArrayEquals(other, Files.readAllBytes(second));
    }

    @Test
    void aResourceThatIsNotWhatItsChecksumSaysIsNotKept() throws IOException {
        BundledResource good = find();
        BundledResource bad = new BundledResource(good.fileName(), good.url(), good.size(), good.crc() ^ 1);
        IOException refused = assertThrows(IOException.class, () -> cache.extract("x", List.of(bad)));
        assertTrue(refused.getMessage().contains(good.size() + " bytes with CRC-32"), refused.getMessage());
        try (Stream<Path> left = Files.walk(cache.root())) {
            assertEquals(0, left.filter(Files::isRegularFile).count());
        }
    }

    @Test
    void aPerProcessDirectoryIsTheUsersOwn() throws IOException {
        Path file = new NativeCache(dir, true).extract("x", List.of(find())).getFirst();
        assertArrayEquals(CONTENT, Files.readAllBytes(file));
        if (Files.getFileStore(file).supportsFileAttributeView("posix")) {
            assertEquals("rwx------",
                    PosixFilePermissions.toString(Files.getPosixFilePermissions(file.getParent())));
        }
    }

    @Test
    void theSettingComesBeforeTheVariableBeforeTheUsersCacheBeforeHome() {
        Map<String, String> settings = new HashMap<>(Map.of("isthmus.cache", "/property", "ISTHMUS_CACHE",
                "/variable", "XDG_CACHE_HOME", "/xdg", "user.home", "/home/u", "java.io.tmpdir", "/temporary"));
        assertEquals(Path.of("/property/natives"), firstPlace(settings));
        settings.remove("isthmus.cache");
        assertEquals(Path.of("/variable/natives"), firstPlace(settings));
        settings.remove("ISTHMUS_CACHE");
        assertEquals(Path.of("/xdg/isthmus/natives"), firstPlace(settings));
        settings.remove("XDG_CACHE_HOME");
        assertEquals(Path.of("/home/u/.cache/isthmus/natives"), firstPlace(settings));
        settings.put("user.home", "?");
        assertEquals(Path.of("/temporary"), firstPlace(settings));
    }

    @Test
    void macosAndWindowsHaveTheirOwnPlaces() {
        Settings settings = new Settings(Map.of("user.home", "/home/u")::get, Map.of("LOCALAPPDATA", "/local")::get);
        assertEquals(Path.of("/home/u/Library/Caches/isthmus/natives"),
                NativeCache.places(settings, Platform.of("Mac OS X", "aarch64")).getFirst().root());
        assertEquals(Path.of("/local/isthmus/natives"),
                NativeCache.places(settings, Platform.of("Windows 11", "amd64")).getFirst().root());
    }

    private static Path firstPlace(Map<String, String> settings) {
        return NativeCache.places(new Settings(settings::get, settings::get), Platform.of("Linux", "amd64"))
                .getFirst().root();
    }

    private Path extract() throws IOException {
        return cache.extract("x", List.of(find())).getFirst();
    }

    private BundledResource find() throws IOException {
        try (URLClassLoader loader = new URLClassLoader(new URL[] {jar.toUri().toURL()}, null)) {
            return BundledResource.find(loader, "natives", "libx.so").orElseThrow();
        }
    }

    private void writeJar(byte[] content) throws IOException {
        try (JarOutputStream out = new JarOutputStream(Files.newOutputStream(jar))) {
            out.putNextEntry(new ZipEntry("natives/libx.so"));
            out.write(content);
        }
    }

    private static List<String> names(Path directory) throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            return files.map(file -> file.getFileName().toString()).toList();
        }
    }
}
