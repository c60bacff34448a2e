package dev.isthmus.engine.kernels.cuda;

import dev.isthmus.bindings.cublas.CuBlas;
import dev.isthmus.bindings.cuda.Cuda;
import dev.isthmus.engine.errors.BackendException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** What the driver and cuBLAS answer, as exceptions where it is an error. */
final class Status {

    private Status() {}

    /**
     * Checks what a function of the driver answered.
     *
     * @param what what was being done, for the message
     * @throws BackendException if it is an error
     */
    static void check(String what, int status) {
        if (status != Cuda.CUDA_SUCCESS()) {
            throw new BackendException("cuda: " + what + ": expected success, the driver answered " + name(status)
                    + "; close the model and open it again, or use the CPU backend");
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
     * Checks what a function of cuBLAS answered.
     *
     * @param what what was being done, for the message
     * @throws BackendException if it is an error
     */
    static void checkBlas(String what, int status) {
        if (status != CuBlas.CUBLAS_STATUS_SUCCESS()) {
            throw new BackendException("cuda: " + what + ": expected success, cuBLAS answered "
                    + CuBlas.cublasGetStatusString(status).getString(0) + "; check that cuBLAS is not newer than the "
                    + "driver (isthmus info shows both) and that the device has free memory, or use the CPU backend");
        }
    }
}
