package dev.isthmus.engine.api;

/** Which kernels a model runs on. */
public enum BackendChoice {
    /** The fastest that works here. */
    AUTO,
    /** OpenBLAS and the C kernels; plain Java float32 for whichever of the two is missing. */
    CPU,
    /** Plain Java with float64 activations and sums: slow, the measure of all others. */
    REFERENCE
}
