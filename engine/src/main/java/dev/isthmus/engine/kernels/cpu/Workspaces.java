package dev.isthmus.engine.kernels.cpu;

import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.concurrent.atomic.AtomicLong;

/** Memory that operations borrow while they run: one piece for each that runs at a time, kept for the next. */
final class Workspaces implements AutoCloseable {

    private final ConcurrentLinkedDeque<Workspace> idle = new ConcurrentLinkedDeque<>();
    private final AtomicLong bytes = new AtomicLong();

    /** A workspace of at least {@code bytes} bytes, the caller's until it is closed. */
    Workspace borrow(long bytes) {
        Workspace workspace = idle.pollFirst();
        if (workspace == null) {
            workspace = new Workspace();
        }
        workspace.reserve(bytes);
        return workspace;
    }

    /** The bytes of all of them, borrowed or idle. */
    long bytes() {
        return bytes.get();
    }

    /** Frees what is not borrowed; more may be borrowed afterwards. */
    @Override
    public void close() {
        for (Workspace workspace = idle.pollFirst(); workspace != null; workspace = idle.pollFirst()) {
            workspace.arena.close();
            bytes.addAndGet(-workspace.memory.byteSize());
        }
    }

    final class Workspace implements AutoCloseable {

        private Arena arena = Arena.ofShared();
        private MemorySegment memory = MemorySegment.NULL;

        private void reserve(long needed) {
            if (memory.byteSize() < needed) {
                Arena larger = Arena.ofShared();
                long before = memory.byteSize();
                memory = larger.allocate(needed, Tensor.ALIGNMENT);
                bytes.addAndGet(needed - before);
                arena.close();
                arena = larger;
            }
        }

        MemorySegment memory() {
            return memory;
        }

        /** Gives the workspace back. */
        @Override
        public void close() {
            idle.addFirst(this);
        }
    }
}
