package dev.isthmus.bench;

import dev.isthmus.engine.kernels.cpu.CpuBackend;
import dev.isthmus.engine.kernels.cpu.CpuKernels;
import dev.isthmus.engine.kernels.cpu.KernelLevel;
import java.util.Locale;
import java.util.Optional;

/** Kernels by name. */
final class KernelChoice {

    private KernelChoice() {}

    /**
     * Starts kernels.
     *
     * @param name {@code own}, the fastest of ours; a level such as {@code avx2}; {@code java}, plain Java without
     *     OpenBLAS; or {@code openblas}, plain Java with OpenBLAS for every matrix product
     */
    static CpuKernels open(String name, int threads) {
        CpuBackend backend = switch (name) {
            case "own" -> CpuBackend.choose();
            case "java" -> new CpuBackend(Optional.empty(), CpuBackend.NEVER);
            case "openblas" -> new CpuBackend(Optional.empty(), 1);
            default -> CpuBackend.of(KernelLevel.valueOf(name.toUpperCase(Locale.ROOT)));
        };
        return backend.open(threads);
    }
}
