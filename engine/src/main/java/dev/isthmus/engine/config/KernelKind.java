package dev.isthmus.engine.config;

/** What computes a model's operations, from the fastest to the slowest. */
public enum KernelKind {
    /** CUDA kernels and cuBLAS on an NVIDIA GPU. */
    CUDA,
    /** C kernels on the CPU, at the best of its instruction sets or at the one that a setting names. */
    C,
    /** Java on the CPU in float32, with OpenBLAS for products of many rows: several times as slow as {@link #C}. */
    JAVA_WITH_OPENBLAS,
    /** Java alone on the CPU in float32: slower still where prompts are long. */
    JAVA,
    /** Java in float64, the measure of all others. */
    REFERENCE
}
