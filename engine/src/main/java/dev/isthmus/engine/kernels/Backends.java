package dev.isthmus.engine.kernels;

import dev.isthmus.engine.errors.BackendException;
import dev.isthmus.engine.kernels.cpu.CpuBackend;
import dev.isthmus.engine.kernels.reference.ReferenceKernels;

/** Makes the kernels that a model runs on. */
public final class Backends {

    private Backends() {}

    /** Plain Java in float64, the oracle. */
    public static Kernels reference() {
        return new ReferenceKernels();
    }

    /**
     * The fastest kernels that this machine has: the C kernels at the CPU's best level, or at the one that the
     * property {@code isthmus.level} or the variable {@code ISTHMUS_LEVEL} names, and OpenBLAS; plain Java for
     * whichever is missing.
     *
     * @param threads the threads that work, the caller's included
     * @throws BackendException if the level named cannot be used
     */
    public static Kernels cpu(int threads) {
        return CpuBackend.choose().open(threads);
    }
}
