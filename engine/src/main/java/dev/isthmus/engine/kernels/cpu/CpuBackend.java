package dev.isthmus.engine.kernels.cpu;

import dev.isthmus.bindings.NativeLibraries;
import dev.isthmus.bindings.NativeLibrary;
import dev.isthmus.bindings.isthmus.Isthmus;
import dev.isthmus.engine.errors.BackendException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * Which kernels the CPU backend is made of.
 *
 * @param level the instruction-set level of the C kernels; empty for plain Java
 * @param openBlas whether OpenBLAS computes the products of many rows, where it can be loaded
 */
public record CpuBackend(Optional<KernelLevel> level, boolean openBlas) {

    /**
     * The fastest that this machine has, or what {@code isthmus.level} or {@code ISTHMUS_LEVEL} asks for: a level's
     * name or {@code java}.
     *
     * @throws BackendException if that cannot be had
     */
    public static CpuBackend choose() {
        String named = System.getProperty("isthmus.level", System.getenv("ISTHMUS_LEVEL"));
        if (named == null || named.isBlank()) {
            return new CpuBackend(nativeKernels() ? Optional.of(KernelLevel.of(Isthmus.isthmus_best_level()))
                    : Optional.empty(), true);
        }
        if (named.equalsIgnoreCase("java")) {
            return new CpuBackend(Optional.empty(), true);
        }
        List<KernelLevel> supported = supportedLevels();
        for (KernelLevel level : supported) {
            if (level.name().equalsIgnoreCase(named)) {
                return new CpuBackend(Optional.of(level), true);
            }
        }
        throw new BackendException("kernel level '" + named + "' (isthmus.level or ISTHMUS_LEVEL): this machine has "
                + (supported.isEmpty() ? "no libisthmus; only 'java' works"
                        : supported.toString().toLowerCase(Locale.ROOT) + " and java"));
    }

    /** Every combination that works here; tests and benchmarks go through them. */
    public static List<CpuBackend> all() {
        List<CpuBackend> all = new ArrayList<>();
        boolean openBlas = NativeLibraries.status(NativeLibrary.OPENBLAS).available();
        for (boolean blas : openBlas ? new boolean[] {true, false} : new boolean[] {false}) {
            all.add(new CpuBackend(Optional.empty(), blas));
            for (KernelLevel level : supportedLevels()) {
                all.add(new CpuBackend(Optional.of(level), blas));
            }
        }
        return all;
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
        return new CpuKernels(ops, new LazyBlas(openBlas), threads);
    }

    private static boolean nativeKernels() {
        return NativeLibraries.status(NativeLibrary.ISTHMUS).available();
    }
}
