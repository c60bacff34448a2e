package dev.isthmus.engine.kernels.cuda;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Memory on the device that an operation works in, kept for the next and grown when one needs more. */
final class Workspace {

    private final CudaContext context;
    private Arena arena = Arena.ofShared();
    private MemorySegment memory = MemorySegment.NULL;
    private long bytes;
    private int generation;

    Workspace(CudaContext context) {
        this.context = context;
    }

    /** At least {@code needed} bytes, valid until more are asked for. The contents are whatever was there. */
    MemorySegment reserve(long needed) {
        if (needed > bytes) {
            Arena larger = Arena.ofShared();
            try {
                memory = context.allocate(larger, needed);
            } catch (Throwable failed) {
                larger.close();
                throw failed;
            }
            arena.close();
            arena = larger;
            bytes = needed;
            generation++;
        }
        return memory;
    }

    /** Counts how often the memory moved. */
    int generation() {
        return generation;
    }

    void close() {
        arena.close();
    }
}
