package dev.isthmus.engine.api;

import dev.isthmus.engine.kernels.Backend;
import dev.isthmus.engine.kernels.Backends;
import java.util.List;
import java.util.function.IntFunction;

/** Which kernels a model runs on. */
public enum BackendChoice {
    /** The fastest that works here: an NVIDIA GPU where there is one that can be used, else the CPU. */
    AUTO,
    /** Our CUDA kernels and cuBLAS on the first NVIDIA GPU; refused with the reason where that cannot be. */
    CUDA,
    /**
     * The C kernels, or Java in float32 and OpenBLAS where they are missing; then a warning says why, the first time in
     * a process.
     */
    CPU,
    /** The C kernels on the CPU; refused with the reason where they are missing. */
    NATIVE,
    /** Plain Java with float64 activations and sums: slow, the measure of all others. */
    REFERENCE;

    /** What opens a backend for a number of threads, the one to try first being first. */
    List<IntFunction<Backend>> candidates() {
        return switch (this) {
            case AUTO -> Backends.mayHaveGpu() ? List.of(threads -> Backends.cuda(), Backends::cpuOrWarn)
                    : List.of(Backends::cpuOrWarn);
            case CPU -> List.of(Backends::cpuOrWarn);
            case NATIVE -> List.of(Backends::nativeCpu);
            case CUDA -> List.of(threads -> Backends.cuda());
            case REFERENCE -> List.of(threads -> Backends.reference());
        };
    }
}
