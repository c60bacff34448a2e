package dev.isthmus.engine.kernels.cuda;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.isthmus.bindings.cublas.CuBlas;
import dev.isthmus.bindings.cuda.Cuda;
import dev.isthmus.engine.errors.BackendException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Set;
import java.util.concurrent.atomic.AtomicReference;

/** The statuses that the driver and cuBLAS return, as exceptions where they are errors. */
final class Status {

    /**
     * The errors after which, by {@code cuda.h}, "any further CUDA work will return the same error. To continue using
     * CUDA, the process must be terminated and relaunched": from {@code CUDA_ERROR_CONTAINED} and
     * {@code CUDA_ERROR_ILLEGAL_ADDRESS} to {@code CUDA_ERROR_EXTERNAL_DEVICE}.
     */
    private static final Set<Integer> FATAL = Set.of(226, 700, 702, 714, 715, 716, 717, 718, 719, 721, 810, 911);

    /** The first fatal error of this process; null while there was none. */
    private static final AtomicReference<String> FAILURE = new AtomicReference<>();

    private Status() {}

    /**
     * Checks that no kernel has failed in this process, after which the device computes nothing more for it.
     *
     * @throws BackendException if one has
     */
    static void requireAlive() {
        String failure = FAILURE.get();
        if (failure != null) {
            throw new BackendException("cuda: opening a device: expected one that works, found that it failed earlier in "
                    + "this process: " + failure + "; restart the process, or use the CPU backend");
        }
    }

    /** Remembers an error that this process does not recover from. */
    static void note(int status) {
        if (FATAL.contains(status) && FAILURE.compareAndSet(null, name(status))) {
            System.getLogger(Status.class.getName()).log(System.Logger.Level.WARNING, "cuda: the device failed: "
                    + FAILURE.get() + ". It cannot be used again before this process is restarted");
        }
    }

    /**
     * Checks the status that a function of the driver returned.
     *
     * @param what what was being done, for the message
     * @throws BackendException if it is an error
     */
    static void check(String what, int status) {
        if (status != Cuda.CUDA_SUCCESS()) {
            note(status);
            throw new BackendException("cuda: " + what + ": expected success, the driver answered " + name(status)
                    + (FATAL.contains(status) ? "; the device cannot be used again in this process: restart it"
                            : "; close the model and open it again") + ", or use the CPU backend");
        }
    }

    /** An error of the driver in its own words: {@code CUDA_ERROR_OUT_OF_MEMORY (out of memory)}. */
    static String name(int status) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment text = arena.allocate(Cuda.C_POINTER);
            if (Cuda.cuGetErrorName(status, text) != Cuda.CUDA_SUCCESS()) {
                return "error " + status;
            }
            String name = text.get(Cuda.C_POINTER, 0).getString(0);
            Cuda.cuGetErrorString(status, text);
            return name + " (" + text.get(Cuda.C_POINTER, 0).getString(0) + ")";
        }
    }

    /**
     * Checks the status that a function of cuBLAS returned. The calling thread has entered the context.
     *
     * @param what what was being done, for the message
     * @throws BackendException if it is an error
     */
    static void checkBlas(String what, int status) {
        if (status != CuBlas.CUBLAS_STATUS_SUCCESS()) {
            // cuBLAS reports a dead device as one of its own errors; the driver says which it was.
            int cause = driverStatus();
            if (FATAL.contains(cause)) {
                check(what, cause);
            }
            throw new BackendException("cuda: " + what + ": expected success, cuBLAS answered "
                    + CuBlas.cublasGetStatusString(status).getString(0) + "; check that cuBLAS is not newer than the "
                    + "driver (isthmus info shows both) and that the device has free memory, or use the CPU backend");
        }
    }

    private static int driverStatus() {
        try (Arena arena = Arena.ofConfined()) {
            return Cuda.cuMemGetInfo_v2(arena.allocate(JAVA_LONG), arena.allocate(JAVA_LONG));
        }
    }
}
