package dev.isthmus.engine.api;

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
    REFERENCE
}
