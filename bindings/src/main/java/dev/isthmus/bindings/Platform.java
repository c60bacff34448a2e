package dev.isthmus.bindings;

import java.lang.foreign.Linker;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

/**
 * An operating system on a processor architecture, as native libraries are named after it. Linux on x86-64 is
 * tested; the others are wired up and untested.
 *
 * @param os   the operating system
 * @param arch the processor architecture
 */
public record Platform(Os os, Arch arch) {
    /** Operating systems, with the names in our resource folders and in bytedeco's classifiers. */
    public enum Os {
        LINUX("linux", "linux"),
        MACOS("macos", "macosx"),
        WINDOWS("windows", "windows"),
        OTHER("other", "other");

        private final String label;
        private final String bytedecoLabel;

        Os(String label, String bytedecoLabel) {
            this.label = label;
            this.bytedecoLabel = bytedecoLabel;
        }
    }

    /** Processor architectures. */
    public enum Arch {
        X86_64("x86_64"),
        ARM64("arm64"),
        OTHER("other");

        private final String label;

        Arch(String label) {
            this.label = label;
        }
    }

    /** C libraries: the bundled OpenBLAS for Linux needs glibc. */
    public enum Libc {
        GLIBC, MUSL, OTHER
    }

    private static final Platform CURRENT =
            of(System.getProperty("os.name", ""), System.getProperty("os.arch", ""));

    /** The platform that this JVM runs on. */
    public static Platform current() {
        return CURRENT;
    }

    /**
     * The platform of a JVM with these system properties.
     *
     * @param osName {@code os.name}
     * @param osArch {@code os.arch}
     */
    static Platform of(String osName, String osArch) {
        String name = osName.toLowerCase(Locale.ROOT);
        Os os = name.startsWith("linux") ? Os.LINUX
                : name.startsWith("mac") ? Os.MACOS
                : name.startsWith("windows") ? Os.WINDOWS
                : Os.OTHER;
        Arch arch = switch (osArch.toLowerCase(Locale.ROOT)) {
            case "amd64", "x86_64", "x64" -> Arch.X86_64;
            case "aarch64", "arm64" -> Arch.ARM64;
            default -> Arch.OTHER;
        };
        return new Platform(os, arch);
    }

    /** Whether libraries are made for the platform at all. */
    boolean isKnown() {
        return os != Os.OTHER && arch != Arch.OTHER;
    }

    /** Our own name of the platform: {@code linux-x86_64}, {@code macos-arm64}, … */
    public String name() {
        return os.label + "-" + arch.label;
    }

    /** The classifier of org.bytedeco's jars for the platform: {@code linux-x86_64}, {@code macosx-arm64}, … */
    public String bytedecoClassifier() {
        return os.bytedecoLabel + "-" + arch.label;
    }

    /** The file name of our own library {@code base} on the platform, such as {@code libisthmus.so}. */
    String libraryFileName(String base) {
        return switch (os) {
            case WINDOWS -> base + ".dll";
            case MACOS -> "lib" + base + ".dylib";
            case LINUX, OTHER -> "lib" + base + ".so";
        };
    }

    /** The C library that this JVM runs on, as far as it can be told. */
    public static Libc libc() {
        if (CURRENT.os != Os.LINUX) {
            return Libc.OTHER;
        }
        if (Linker.nativeLinker().defaultLookup().find("gnu_get_libc_version").isPresent()) {
            return Libc.GLIBC;
        }
        String arch = CURRENT.arch == Arch.ARM64 ? "aarch64" : "x86_64";
        return Files.exists(Path.of("/lib/ld-musl-" + arch + ".so.1")) ? Libc.MUSL : Libc.OTHER;
    }

    @Override
    public String toString() {
        return name();
    }
}
