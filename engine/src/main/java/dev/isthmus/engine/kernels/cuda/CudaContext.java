package dev.isthmus.engine.kernels.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.isthmus.bindings.DeviceMemory;
import dev.isthmus.bindings.cuda.Cuda;
import dev.isthmus.engine.errors.BackendException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;

/**
 * A stream in a device's primary context, and the memory taken from it. What is enqueued runs in order; one thread at a
 * time enqueues, between {@link #enter} and {@link Use#close}.
 *
 * <p>It lives as long as its kernels or any memory: arenas may close after the kernels did. The primary context itself is
 * retained once and kept until the process ends. The CUDA runtime inside cuBLAS lives in it, which would be left with a
 * destroyed context, and making another for each model takes 0.2 to 0.4 s.
 */
final class CudaContext {

    /** The primary contexts by their devices' handles. */
    private static final Map<Integer, MemorySegment> PRIMARY = new HashMap<>();

    /** Blocks of one size come from slabs of about so many bytes, so that few allocations serve a long text. */
    private static final long SLAB_BYTES = 64L << 20;

    /** What a thread that entered has; closing it leaves. */
    final class Use implements AutoCloseable {

        @Override
        public void close() {
            lock.unlock();
        }
    }

    private final CudaDevice device;
    private final MemorySegment context;
    private final MemorySegment stream;
    private final ReentrantLock lock = new ReentrantLock();
    private final Use use = new Use();
    private final List<Runnable> releases = new ArrayList<>();
    private final Map<Long, Deque<Long>> idleBlocks = new HashMap<>();
    private final List<Long> slabs = new ArrayList<>();
    private final UploadRing uploads;
    private boolean capturing;
    private long synchronizations;
    private int holders = 1;

    /**
     * Makes a stream in the device's primary context.
     *
     * @throws BackendException if the driver refuses
     */
    CudaContext(CudaDevice device) {
        this.device = device;
        context = primary(device);
        try (Arena temporary = Arena.ofConfined()) {
            MemorySegment pointer = temporary.allocate(ADDRESS);
            Status.check("using " + device.name(), Cuda.cuCtxSetCurrent(context));
            Status.check("making a stream", Cuda.cuStreamCreate(pointer, Cuda.CU_STREAM_NON_BLOCKING()));
            stream = pointer.get(ADDRESS, 0);
            releases.add(() -> Cuda.cuStreamDestroy_v2(stream()));
        }
        uploads = new UploadRing(this);
        releases.add(uploads::close);
    }

    private static MemorySegment primary(CudaDevice device) {
        synchronized (PRIMARY) {
            return PRIMARY.computeIfAbsent(device.handle(), handle -> {
                try (Arena temporary = Arena.ofConfined()) {
                    MemorySegment pointer = temporary.allocate(ADDRESS);
                    Status.check("opening " + device.name(), Cuda.cuDevicePrimaryCtxRetain(pointer, handle));
                    return pointer.get(ADDRESS, 0);
                }
            });
        }
    }

    CudaDevice device() {
        return device;
    }

    MemorySegment stream() {
        return stream;
    }

    /** Waits until no other thread uses the context, and makes it the calling thread's. May be nested. */
    Use enter() {
        lock.lock();
        if (lock.getHoldCount() == 1) {
            int status = Cuda.cuCtxSetCurrent(context);
            if (status != Cuda.CUDA_SUCCESS()) {
                lock.unlock();
                Status.check("using " + device.name(), status);
            }
        }
        return use;
    }

    /** Waits until all that was enqueued is done. */
    void synchronize(String what) {
        Status.check(what, Cuda.cuStreamSynchronize(stream));
        synchronizations++;
    }

    /** Counts how often all that was enqueued was waited for. */
    long synchronizations() {
        return synchronizations;
    }

    /**
     * Enqueues a copy to the device without waiting for it.
     *
     * @param address where the bytes go
     * @param writer writes them to the memory that it is given, whose contents are arbitrary
     */
    void upload(long bytes, long address, Consumer<MemorySegment> writer) {
        uploads.copy(bytes, address, writer);
    }

    /** Runs work when the context goes, before what was there when this was called goes. */
    void onRelease(Runnable work) {
        releases.add(work);
    }

    /** Zeroed memory on the device, freed with {@code arena}; the segment has the address and no bytes. */
    MemorySegment allocate(Arena owner, long bytes) {
        try (Use _ = enter()) {
            long address = take(bytes);
            return owned(address, bytes, owner, () -> free(address));
        }
    }

    /** As {@link #allocate}, for memory that is taken in many pieces of one size and given back in any order. */
    MemorySegment allocateBlock(Arena owner, long bytes) {
        try (Use _ = enter()) {
            Deque<Long> idle = idleBlocks.computeIfAbsent(bytes, size -> new ArrayDeque<>());
            if (idle.isEmpty()) {
                long count = Math.max(1, SLAB_BYTES / bytes);
                long slab = take(count * bytes);
                slabs.add(slab);
                for (long i = 0; i < count; i++) {
                    idle.addLast(slab + i * bytes);
                }
            }
            long address = idle.removeFirst();
            return owned(address, bytes, owner, () -> idle.addFirst(address));
        }
    }

    private MemorySegment owned(long address, long bytes, Arena owner, Runnable free) {
        try {
            Status.check("clearing memory", Cuda.cuMemsetD8Async(address, (byte) 0, bytes, stream));
            MemorySegment memory = DeviceMemory.owned(address, owner, () -> giveBack(free));
            holders++;
            return memory;
        } catch (Throwable failed) {
            free.run();
            throw failed;
        }
    }

    private long take(long bytes) {
        if (capturing) {
            throw new IllegalStateException("memory cannot be allocated while a pass is recorded");
        }
        try (Arena temporary = Arena.ofConfined()) {
            MemorySegment pointer = temporary.allocate(JAVA_LONG);
            int status = Cuda.cuMemAlloc_v2(pointer, Math.max(bytes, 1));
            if (status == Cuda.CUDA_ERROR_OUT_OF_MEMORY()) {
                throw new BackendException("cuda: allocating " + mebibytes(bytes) + " on " + device.name()
                        + ": expected so much free memory, found " + freeMemory(temporary) + "; close other programs "
                        + "and sessions, keep the weights in fewer bits (BF16), or use the CPU backend");
            }
            Status.check("allocating " + mebibytes(bytes), status);
            return pointer.get(JAVA_LONG, 0);
        }
    }

    private static String freeMemory(Arena temporary) {
        MemorySegment free = temporary.allocate(JAVA_LONG);
        MemorySegment total = temporary.allocate(JAVA_LONG);
        if (Cuda.cuMemGetInfo_v2(free, total) != Cuda.CUDA_SUCCESS()) {
            return "too little";
        }
        return mebibytes(free.get(JAVA_LONG, 0)) + " of " + mebibytes(total.get(JAVA_LONG, 0));
    }

    private static String mebibytes(long bytes) {
        return bytes < 1 << 20 ? bytes + " bytes" : (bytes >> 20) + " MiB";
    }

    /** Errors are left alone: after a failed kernel all memory is lost anyway. */
    private static void free(long address) {
        Cuda.cuMemFree_v2(address);
    }

    private void giveBack(Runnable free) {
        lock.lock();
        try {
            Cuda.cuCtxSetCurrent(context);
            free.run();
            leave();
        } finally {
            lock.unlock();
        }
    }

    /** Releases it; it goes when all memory is given back. */
    void close() {
        giveBack(() -> {});
    }

    private void leave() {
        holders--;
        if (holders == 0) {
            slabs.forEach(CudaContext::free);
            release();
        }
    }

    /** Errors are left alone here too. */
    private void release() {
        Cuda.cuStreamSynchronize(stream);
        releases.reversed().forEach(Runnable::run);
    }

    /**
     * Records what {@code work} enqueues, without running it.
     *
     * @return an executable graph, to be destroyed by {@code cuGraphExecDestroy}
     */
    MemorySegment capture(Runnable work) {
        try (Use _ = enter(); Arena temporary = Arena.ofConfined()) {
            MemorySegment pointer = temporary.allocate(ADDRESS);
            Status.check("recording a pass",
                    Cuda.cuStreamBeginCapture_v2(stream, Cuda.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL()));
            capturing = true;
            try {
                work.run();
            } catch (Throwable failed) {
                Cuda.cuStreamEndCapture(stream, pointer);
                Cuda.cuGraphDestroy(pointer.get(ADDRESS, 0));
                throw failed;
            } finally {
                capturing = false;
            }
            Status.check("recording a pass", Cuda.cuStreamEndCapture(stream, pointer));
            MemorySegment graph = pointer.get(ADDRESS, 0);
            try {
                Status.check("preparing a recorded pass", Cuda.cuGraphInstantiateWithFlags(pointer, graph, 0));
                return pointer.get(ADDRESS, 0);
            } finally {
                Cuda.cuGraphDestroy(graph);
            }
        }
    }
}
