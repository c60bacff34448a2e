package dev.isthmus.engine.api;

/** Which kernels a model runs on. */
public enum BackendChoice {
    /** The fastest that works here: an NVIDIA GPU where there is one that can be used, else the CPU. */
    AUTO,
    /** Our CUDA kernels and cuBLAS on the first NVIDIA GPU; refused with the reason where that cannot be. */
    CUDA,
    /** OpenBLAS and the C kernels; plain Java float32 for whichever of the two is missing. */
    CPU,
    /** Plain Java with float64 activations and sums: slow, the measure of all others. */
    REFERENCE
}
