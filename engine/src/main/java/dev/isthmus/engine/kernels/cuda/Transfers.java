package dev.isthmus.engine.kernels.cuda;

import dev.isthmus.bindings.cuda.Cuda;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Copies between the process's memory and the device's, through page-locked memory where the device answers. Used by
 * the thread that has entered the context.
 */
final class Transfers {

    private final CudaContext context;
    private Arena arena = Arena.ofShared();
    private MemorySegment staging = MemorySegment.NULL;

    Transfers(CudaContext context) {
        this.context = context;
    }

    /** Bytes from the device, once all that was enqueued is done; valid until the next call. */
    MemorySegment toHost(long address, long bytes) {
        MemorySegment into = staging(bytes);
        Status.check("copying " + bytes + " bytes from the device",
                Cuda.cuMemcpyDtoHAsync_v2(into, address, bytes, context.stream()));
        context.synchronize("waiting for the device");
        return into;
    }

    /** Copies bytes to the device and waits until they are there. */
    void toDevice(MemorySegment from, long address) {
        MemorySegment source = from;
        if (!from.isNative()) {
            source = staging(from.byteSize()).copyFrom(from);
        }
        Status.check("copying " + from.byteSize() + " bytes to the device",
                Cuda.cuMemcpyHtoDAsync_v2(address, source, from.byteSize(), context.stream()));
        context.synchronize("waiting for the device");
    }

    private MemorySegment staging(long bytes) {
        if (staging.byteSize() < bytes) {
            Arena larger = Arena.ofShared();
            try {
                staging = UploadRing.pageLocked(bytes, larger);
            } catch (Throwable failed) {
                larger.close();
                throw failed;
            }
            arena.close();
            arena = larger;
        }
        return staging.asSlice(0, bytes);
    }

    void close() {
        arena.close();
    }
}
