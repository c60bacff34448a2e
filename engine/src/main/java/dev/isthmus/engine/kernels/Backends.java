package dev.isthmus.engine.kernels;

import dev.isthmus.bindings.NativeLibraries;
import dev.isthmus.bindings.NativeLibrary;
import dev.isthmus.engine.errors.BackendException;
import dev.isthmus.engine.kernels.cpu.CpuBackend;
import dev.isthmus.engine.kernels.cuda.CudaDevice;
import dev.isthmus.engine.kernels.cuda.CudaKernels;
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

    /**
     * CUDA kernels and cuBLAS on the first NVIDIA GPU.
     *
     * @throws BackendException if the driver or cuBLAS is missing or too old, there is no device that can be used, or
     *     too little memory is free on it; the message says which and what to do
     */
    public static Kernels cuda() {
        return new CudaKernels(CudaDevice.find());
    }

    /** Whether there may be a GPU to use: a driver is installed, and it is not the tests' stand-in for one. */
    public static boolean mayHaveGpu() {
        return NativeLibraries.status(NativeLibrary.CUDA).loaded()
                .filter(driver -> !driver.details().containsKey("stand_in")).isPresent();
    }
}
