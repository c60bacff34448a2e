package dev.isthmus.engine.kernels;

import dev.isthmus.bindings.NativeLibraries;
import dev.isthmus.bindings.NativeLibrary;
import dev.isthmus.engine.errors.BackendException;
import dev.isthmus.engine.kernels.cpu.CpuChoice;
import dev.isthmus.engine.kernels.cuda.CudaDevice;
import dev.isthmus.engine.kernels.cuda.CudaBackend;
import dev.isthmus.engine.kernels.reference.ReferenceBackend;

/** Opens the backend that a model runs on. */
public final class Backends {

    private Backends() {}

    /** Plain Java in float64, the oracle. */
    public static Backend reference() {
        return new ReferenceBackend();
    }

    /**
     * The fastest kernels that this machine has: the C kernels at the CPU's best level, or at the one that the
     * property {@code isthmus.level} or the variable {@code ISTHMUS_LEVEL} names, and OpenBLAS; plain Java for
     * whichever is missing.
     *
     * @param threads the threads that work, the caller's included
     * @throws BackendException if the level named cannot be used
     */
    public static Backend cpu(int threads) {
        return CpuChoice.choose().open(threads);
    }

    /**
     * CUDA kernels and cuBLAS on the first NVIDIA GPU.
     *
     * @throws BackendException if the driver or cuBLAS is missing or too old, there is no device that can be used, or
     *     too little memory is free on it; the message says which and what to do
     */
    public static Backend cuda() {
        return new CudaBackend(CudaDevice.find());
    }

    /** Whether there may be a GPU to use: a driver is installed, and it is not the tests' stand-in for one. */
    public static boolean mayHaveGpu() {
        return NativeLibraries.status(NativeLibrary.CUDA).loaded()
                .filter(driver -> !driver.details().containsKey("stand_in")).isPresent();
    }
}
