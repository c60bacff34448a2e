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
 * @param openBlasRows with plain Java, the rows from which on OpenBLAS computes a matrix product, where it can be loaded;
 *     {@link #NEVER} for not at all. The C kernels need no help: on Zen 4 they were 2.0 times as fast as OpenBLAS
 *     at 8 rows and 1.8 times at 128
 */
public record CpuChoice(Optional<KernelLevel> level, int openBlasRows) {

    /** No product is OpenBLAS's. */
    public static final int NEVER = Integer.MAX_VALUE;

    /** Where OpenBLAS overtakes plain Java. */
    private static final int JAVA_ROWS = 16;

    /**
     * The fastest that this machine has, or what {@code isthmus.level} or {@code ISTHMUS_LEVEL} asks for: a level's
     * name or {@code java}.
     *
     * @throws BackendException if that cannot be had
     */
    public static CpuChoice choose() {
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

    /** The C kernels at a level. */
    public static CpuChoice of(KernelLevel level) {
        return new CpuChoice(Optional.of(level), NEVER);
    }

    /** Plain Java, and OpenBLAS where it is faster. */
    public static CpuChoice ofJava() {
        return new CpuChoice(Optional.empty(), JAVA_ROWS + 1);
    }

    /** Why there are no C kernels, and what to do; empty if there are. */
    public static Optional<String> missing() {
        return nativeKernels() ? Optional.empty() : Optional.of("The C kernels are not available: "
                + NativeLibraries.status(NativeLibrary.ISTHMUS).failure());
    }

    /** The levels that libisthmus and this CPU have; empty without libisthmus. */
    public static List<KernelLevel> supportedLevels() {
        if (!nativeKernels()) {
            return List.of();
        }
        return Arrays.stream(KernelLevel.values())
                .filter(level -> Isthmus.isthmus_level_supported(level.code()) != 0).toList();
    }

    /**
     * Starts a team of {@code threads} on these kernels.
     *
     * @throws BackendException if the process gets fewer threads
     */
    public CpuBackend open(int threads) {
        WorkerTeam team = new WorkerTeam(threads);
        try {
            CpuOps ops = level.isPresent() ? new NativeOps(level.get(), team) : new JavaOps(openBlasRows, team);
            return new CpuBackend(ops, team);
        } catch (Throwable failed) {
            team.close();
            throw failed;
        }
    }

    private static boolean nativeKernels() {
        return NativeLibraries.isAvailable(NativeLibrary.ISTHMUS);
    }
}
