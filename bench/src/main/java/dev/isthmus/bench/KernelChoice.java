package dev.isthmus.bench;

import dev.isthmus.engine.kernels.cpu.CpuChoice;
import dev.isthmus.engine.kernels.cpu.CpuBackend;
import dev.isthmus.engine.kernels.cpu.KernelLevel;
import java.util.Locale;
import java.util.Optional;

/** Backends by name. */
final class KernelChoice {

    private KernelChoice() {}

    /**
     * Opens a backend.
     *
     * @param name {@code own}, the fastest of ours; a level such as {@code avx2}; {@code java}, plain Java without
     *     OpenBLAS; or {@code openblas}, plain Java with OpenBLAS for every matrix product
     */
    static CpuBackend open(String name, int threads) {
        CpuChoice choice = switch (name) {
            case "own" -> CpuChoice.choose();
            case "java" -> new CpuChoice(Optional.empty(), CpuChoice.NEVER);
            case "openblas" -> new CpuChoice(Optional.empty(), 1);
            default -> CpuChoice.of(KernelLevel.valueOf(name.toUpperCase(Locale.ROOT)));
        };
        return choice.open(threads);
    }
}
