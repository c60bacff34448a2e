package dev.isthmus.bindings;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PlatformTest {
    @ParameterizedTest
    @CsvSource({
        "Linux,        amd64,   linux-x86_64,   linux-x86_64,   libisthmus.so",
        "Linux,        aarch64, linux-arm64,    linux-arm64,    libisthmus.so",
        "Mac OS X,     x86_64,  macos-x86_64,   macosx-x86_64,  libisthmus.dylib",
        "Mac OS X,     aarch64, macos-arm64,    macosx-arm64,   libisthmus.dylib",
        "Windows 11,   amd64,   windows-x86_64, windows-x86_64, isthmus.dll",
    })
    void aPlatformHasItsNames(String osName, String osArch, String name, String classifier, String fileName) {
        Platform platform = Platform.of(osName, osArch);
        assertEquals(name, platform.name());
        assertEquals(classifier, platform.bytedecoClassifier());
        assertEquals(fileName, platform.libraryFileName("isthmus"));
        assertTrue(platform.isKnown());
    }

    @Test
    void otherPlatformsAreNotMistakenForKnownOnes() {
        assertFalse(Platform.of("Linux", "riscv64").isKnown());
        assertFalse(Platform.of("FreeBSD", "amd64").isKnown());
    }
}
