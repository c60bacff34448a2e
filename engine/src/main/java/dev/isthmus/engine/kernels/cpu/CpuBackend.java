package dev.isthmus.engine.kernels.cpu;

import dev.isthmus.bindings.NativeLibraries;
import dev.isthmus.bindings.NativeLibrary;
import dev.isthmus.bindings.isthmus.Isthmus;
import dev.isthmus.engine.errors.BackendException;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * Which kernels the CPU backend is made of.
 *
 * @param level the instruction-set level of the C kernels; empty for plain Java
 * @param openBlasRows the rows from which on OpenBLAS computes a matrix product, where it can be loaded;
 *     {@link #NEVER} for not at all
 */
public record CpuBackend(Optional<KernelLevel> level, int openBlasRows) {

    /** No product is OpenBLAS's. */
    public static final int NEVER = Integer.MAX_VALUE;

    /**
     * The most rows at which the C kernels, which use weights as they lie, compute a product. Measured on prompts of
     * 16 to 512 tokens on Zen 4: they are faster than OpenBLAS, which packs weights first, up to 128 and about equal
     * at 512.
     */
    private static final int NATIVE_ROWS = 256;

    /** The same for plain Java: as many as one call takes. */
    private static final int JAVA_ROWS = CpuOps.MATMUL_MAX_ROWS;

    /**
     * The fastest that this machine has, or what {@code isthmus.level} or {@code ISTHMUS_LEVEL} asks for: a level's
     * name or {@code java}.
     *
     * @throws BackendException if that cannot be had
     */
    public static CpuBackend choose() {
        String named = System.getProperty("isthmus.level", System.getenv("ISTHMUS_LEVEL"));
        if (named == null || named.isBlank()) {
            return nativeKernels() ? of(KernelLevel.of(Isthmus.isthmus_best_level())) : ofJava();
        }
        if (named.equalsIgnoreCase("java")) {
            return ofJava();
        }
        List<KernelLevel> supported = supportedLevels();
        for (KernelLevel level : supported) {
            if (level.name().equalsIgnoreCase(named)) {
                return of(level);
            }
        }
        throw new BackendException("kernel level '" + named + "' (isthmus.level or ISTHMUS_LEVEL): this machine has "
                + (supported.isEmpty() ? "no libisthmus; only 'java' works"
                        : supported.toString().toLowerCase(Locale.ROOT) + " and java"));
    }

    /** The C kernels at a level, and OpenBLAS where it is faster. */
    public static CpuBackend of(KernelLevel level) {
        return new CpuBackend(Optional.of(level), NATIVE_ROWS + 1);
    }

    /** Plain Java, and OpenBLAS where it is faster. */
    public static CpuBackend ofJava() {
        return new CpuBackend(Optional.empty(), JAVA_ROWS + 1);
    }

    /** The levels that libisthmus and this CPU have; empty without libisthmus. */
    public static List<KernelLevel> supportedLevels() {
        if (!nativeKernels()) {
            return List.of();
        }
        return Arrays.stream(KernelLevel.values())
                .filter(level -> Isthmus.isthmus_level_supported(level.code()) != 0).toList();
    }

    /** Starts a team of {@code threads} on these kernels. */
    public CpuKernels open(int threads) {
        CpuOps ops = level.<CpuOps>map(NativeOps::new).orElseGet(JavaOps::new);
        return new CpuKernels(ops, new LazyBlas(), openBlasRows, threads);
    }

    private static boolean nativeKernels() {
        return NativeLibraries.isAvailable(NativeLibrary.ISTHMUS);
    }
}
