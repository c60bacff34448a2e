package dev.isthmus.engine.kernels;

import dev.isthmus.bindings.NativeLibraries;
import dev.isthmus.bindings.NativeLibrary;
import dev.isthmus.engine.errors.BackendException;
import dev.isthmus.engine.kernels.cpu.CpuChoice;
import dev.isthmus.engine.kernels.cuda.CudaDevice;
import dev.isthmus.engine.kernels.cuda.CudaBackend;
import dev.isthmus.engine.kernels.reference.ReferenceBackend;
import java.util.concurrent.atomic.AtomicBoolean;

/** Opens the backend that a model runs on. */
public final class Backends {

    private static final AtomicBoolean WARNED = new AtomicBoolean();

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
     * As {@link #cpu}, with a warning, the first time in a process, where Java computes for want of the C kernels. It is
     * not given where a setting asks for Java.
     *
     * @param threads the threads that work, the caller's included
     * @throws BackendException if the level named cannot be used
     */
    public static Backend cpuOrWarn(int threads) {
        CpuChoice choice = CpuChoice.choose();
        boolean wanted = NativeLibraries.status(NativeLibrary.ISTHMUS).switchedOff();
        CpuChoice.missing().filter(reason -> !wanted && WARNED.compareAndSet(false, true))
                .ifPresent(reason -> System.getLogger("dev.isthmus.engine").log(System.Logger.Level.WARNING,
                        reason + ". Java computes in their place, several times more slowly"));
        return choice.open(threads);
    }

    /**
     * The C kernels and nothing else.
     *
     * @param threads the threads that work, the caller's included
     * @throws BackendException if there are none; the message says why and what to do
     */
    public static Backend nativeCpu(int threads) {
        CpuChoice choice = CpuChoice.choose();
        if (choice.level().isEmpty()) {
            throw new BackendException("open a model with the C kernels alone: " + CpuChoice.missing()
                    .orElse("isthmus.level or ISTHMUS_LEVEL asks for java; leave it out or name a level"));
        }
        return choice.open(threads);
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
