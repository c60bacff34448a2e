package dev.isthmus.bindings;

import java.util.List;

/** The native libraries that Isthmus can use. Each is optional; {@link NativeLibraries} loads them. */
public enum NativeLibrary {
    /** Matrix products: OpenBLAS, from the org.bytedeco:openblas jar of the platform or from the system. */
    OPENBLAS("OpenBLAS", "openblas", "isthmus.openblas.path", "ISTHMUS_OPENBLAS"),
    /** Our own kernels: libisthmus, from the isthmus-native jar. */
    ISTHMUS("libisthmus", "isthmus", "isthmus.native.path", "ISTHMUS_NATIVE"),
    /** NVIDIA's driver, as it is installed on the system. */
    CUDA("CUDA driver", "cuda", "isthmus.cuda", "ISTHMUS_CUDA"),
    /** Matrix products on a GPU: cuBLAS 12 or 13, from the system or a Python environment. */
    CUBLAS("cuBLAS", "cublas", "isthmus.cublas", "ISTHMUS_CUBLAS");

    private final String title;
    private final String baseName;
    private final String property;
    private final String variable;

    NativeLibrary(String title, String baseName, String property, String variable) {
        this.title = title;
        this.baseName = baseName;
        this.property = property;
        this.variable = variable;
    }

    /** The library's name for messages. */
    public String title() {
        return title;
    }

    /** The system property that names the library's file, or {@code none} to do without it. */
    public String property() {
        return property;
    }

    /** The environment variable that does the same where the property is not set. */
    public String variable() {
        return variable;
    }

    String baseName() {
        return baseName;
    }

    /** Whether a jar may have it; the libraries of CUDA come with the driver and the toolkit. */
    boolean isBundled() {
        return this == OPENBLAS || this == ISTHMUS;
    }

    /** The folder of a bundled library's files among the class path's resources, without a slash at its end. */
    String resourceFolder(Platform platform) {
        return this == OPENBLAS ? "org/bytedeco/openblas/" + platform.bytedecoClassifier()
                : "META-INF/native/" + platform.name();
    }

    /** The names of files that the library's own depends on, and that are loaded first where they lie beside it. */
    List<String> dependencies(Platform platform, String fileName) {
        if (this == CUBLAS) {
            return List.of(fileName.replaceFirst("cublas", "cublasLt"));
        }
        return isBundled() ? bundledFiles(platform).subList(0, bundledFiles(platform).size() - 1) : List.of();
    }

    /**
     * The bundled files to load, dependencies first and the library itself last. Of OpenBLAS's jar these are the
     * files that its library's own dependency entries name; libgcc_s is left to the system on Linux, where an
     * older bundled one would shadow the system's.
     */
    List<String> bundledFiles(Platform platform) {
        if (this == ISTHMUS) {
            return List.of(platform.libraryFileName(baseName));
        }
        return switch (platform.os()) {
            case LINUX -> platform.arch() == Platform.Arch.X86_64
                    ? List.of("libquadmath.so.0", "libgfortran.so.5", "libopenblas.so.0")
                    : List.of("libgfortran.so.5", "libopenblas.so.0");
            case MACOS -> platform.arch() == Platform.Arch.X86_64
                    ? List.of("libgcc_s.1.1.dylib", "libquadmath.0.dylib", "libgfortran.5.dylib",
                            "libopenblas.0.dylib")
                    : List.of("libopenblas.0.dylib");
            case WINDOWS -> List.of("libopenblas.dll");
            case OTHER -> List.of("libopenblas.so.0");
        };
    }

    /** The names to ask the system's loader for, best first; none for our own library. */
    List<String> systemNames(Platform platform) {
        return switch (this) {
            case OPENBLAS -> openBlasNames(platform);
            case ISTHMUS -> List.of();
            case CUDA -> switch (platform.os()) {
                case LINUX, OTHER -> List.of("libcuda.so.1");
                case WINDOWS -> List.of("nvcuda.dll");
                case MACOS -> List.of();
            };
            case CUBLAS -> switch (platform.os()) {
                case LINUX, OTHER -> List.of("libcublas.so.13", "libcublas.so.12");
                case WINDOWS -> List.of("cublas64_13.dll", "cublas64_12.dll");
                case MACOS -> List.of();
            };
        };
    }

    private static List<String> openBlasNames(Platform platform) {
        return switch (platform.os()) {
            case LINUX, OTHER -> List.of("libopenblas.so.0", "libopenblas.so");
            case MACOS -> List.of("libopenblas.dylib", "/opt/homebrew/opt/openblas/lib/libopenblas.dylib",
                    "/usr/local/opt/openblas/lib/libopenblas.dylib");
            case WINDOWS -> List.of("libopenblas.dll", "openblas.dll");
        };
    }
}
