package dev.isthmus.engine.kernels.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;

import dev.isthmus.bindings.DeviceMemory;
import dev.isthmus.bindings.cuda.Cuda;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.function.Consumer;

/**
 * Page-locked memory for small copies that nobody waits for. The device reads it when it gets there, so each copy takes
 * the next of several slots, and a slot is written again only after the device has read it: its event says so, or a wait
 * for everything since. Used by the thread that has entered the context.
 */
final class UploadRing {

    /** As many as prefill chunks that the host may be ahead of the device. */
    private static final int SLOTS = 4;

    private static final int CU_EVENT_DISABLE_TIMING = 2;

    private final class Slot {

        private Arena arena = Arena.ofShared();
        private MemorySegment memory = MemorySegment.NULL;
        private MemorySegment event = MemorySegment.NULL;
        private boolean enqueued;
        /** {@link CudaContext#synchronizations} when the slot was enqueued. */
        private long synchronizations;

        MemorySegment writable(long bytes) {
            if (enqueued && synchronizations == context.synchronizations()) {
                Status.check("waiting for a copy to the device", Cuda.cuEventSynchronize(event));
            }
            enqueued = false;
            if (event.equals(MemorySegment.NULL)) {
                event = newEvent();
            }
            if (memory.byteSize() < bytes) {
                Arena larger = Arena.ofShared();
                try {
                    memory = pageLocked(bytes, larger);
                } catch (Throwable failed) {
                    larger.close();
                    throw failed;
                }
                arena.close();
                arena = larger;
            }
            return memory.asSlice(0, bytes);
        }

        void enqueue(long bytes, long address) {
            Status.check("copying " + bytes + " bytes to the device",
                    Cuda.cuMemcpyHtoDAsync_v2(address, memory, bytes, context.stream()));
            Status.check("recording an event", Cuda.cuEventRecord(event, context.stream()));
            enqueued = true;
            synchronizations = context.synchronizations();
        }

        void close() {
            if (!event.equals(MemorySegment.NULL)) {
                Cuda.cuEventDestroy_v2(event);
            }
            arena.close();
        }
    }

    private final CudaContext context;
    private final Slot[] slots = new Slot[SLOTS];
    private int next;

    UploadRing(CudaContext context) {
        this.context = context;
        for (int i = 0; i < SLOTS; i++) {
            slots[i] = new Slot();
        }
    }

    private static MemorySegment newEvent() {
        try (Arena temporary = Arena.ofConfined()) {
            MemorySegment pointer = temporary.allocate(ADDRESS);
            Status.check("making an event", Cuda.cuEventCreate(pointer, CU_EVENT_DISABLE_TIMING));
            return pointer.get(ADDRESS, 0);
        }
    }

    /** Page-locked memory of the host, freed with {@code owner}. */
    static MemorySegment pageLocked(long bytes, Arena owner) {
        try (Arena temporary = Arena.ofConfined()) {
            MemorySegment pointer = temporary.allocate(ADDRESS);
            Status.check("allocating " + bytes + " bytes of page-locked memory", Cuda.cuMemHostAlloc(pointer, bytes, 0));
            MemorySegment memory = pointer.get(ADDRESS, 0);
            return DeviceMemory.host(memory, bytes, owner, () -> Cuda.cuMemFreeHost(memory));
        }
    }

    /**
     * Enqueues a copy.
     *
     * @param address where the bytes go on the device
     * @param writer writes them to the memory that it is given, whose contents are arbitrary
     */
    void copy(long bytes, long address, Consumer<MemorySegment> writer) {
        Slot slot = slots[next];
        next = (next + 1) % SLOTS;
        writer.accept(slot.writable(bytes));
        slot.enqueue(bytes, address);
    }

    /** Frees the memory, which waits for what is enqueued. */
    void close() {
        for (Slot slot : slots) {
            slot.close();
        }
    }
}
