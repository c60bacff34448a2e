package dev.isthmus.engine.kernels.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import dev.isthmus.bindings.cuda.Cuda;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Times by the device's own clock what is enqueued between two events; for benchmarks. Used by one thread. */
public final class DeviceTimer implements AutoCloseable {

    private final CudaContext context;
    private final Arena arena = Arena.ofConfined();
    private final MemorySegment begin;
    private final MemorySegment end;

    DeviceTimer(CudaContext context) {
        this.context = context;
        try (CudaContext.Use _ = context.enter()) {
            begin = event();
            end = event();
        }
    }

    private MemorySegment event() {
        MemorySegment pointer = arena.allocate(ADDRESS);
        Status.check("making an event", Cuda.cuEventCreate(pointer, 0));
        return pointer.get(ADDRESS, 0);
    }

    /**
     * Runs work.
     *
     * @return the milliseconds from when the device began it to when it had done it
     */
    public double milliseconds(Runnable work) {
        try (CudaContext.Use _ = context.enter()) {
            Status.check("recording an event", Cuda.cuEventRecord(begin, context.stream()));
            work.run();
            Status.check("recording an event", Cuda.cuEventRecord(end, context.stream()));
            Status.check("waiting for an event", Cuda.cuEventSynchronize(end));
            MemorySegment milliseconds = arena.allocate(JAVA_FLOAT);
            Status.check("reading an event", Cuda.cuEventElapsedTime_v2(milliseconds, begin, end));
            return milliseconds.get(JAVA_FLOAT, 0);
        }
    }

    @Override
    public void close() {
        try (CudaContext.Use _ = context.enter()) {
            Cuda.cuEventDestroy_v2(begin);
            Cuda.cuEventDestroy_v2(end);
        }
        arena.close();
    }
}
