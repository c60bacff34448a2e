package dev.isthmus.engine.kernels.cpu;

import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Memory that operations borrow while they run: one piece for each that runs at a time, kept for the next. Giving one
 * back needs no memory itself. Any number of threads may use it.
 */
final class Workspaces implements AutoCloseable {

    private final AtomicLong bytes = new AtomicLong();
    /** The one that was given back last, which leads to the others; read and written under the lock. */
    private Workspace idle;

    /** A workspace of at least {@code bytes} bytes, the caller's until it is closed. */
    Workspace borrow(long bytes) {
        Workspace workspace = takeIdle();
        if (workspace == null) {
            workspace = new Workspace();
        }
        try {
            workspace.reserve(bytes);
        } catch (Throwable failed) {
            workspace.close();
            throw failed;
        }
        return workspace;
    }

    private synchronized Workspace takeIdle() {
        Workspace workspace = idle;
        if (workspace != null) {
            idle = workspace.next;
        }
        return workspace;
    }

    private synchronized void giveBack(Workspace workspace) {
        workspace.next = idle;
        idle = workspace;
    }

    /** The bytes of all of them, borrowed or idle. */
    long bytes() {
        return bytes.get();
    }

    /** Frees what is not borrowed; more may be borrowed afterwards. */
    @Override
    public void close() {
        for (Workspace workspace = takeIdle(); workspace != null; workspace = takeIdle()) {
            workspace.arena.close();
            bytes.addAndGet(-workspace.memory.byteSize());
        }
    }

    final class Workspace implements AutoCloseable {

        private Arena arena = Arena.ofShared();
        private MemorySegment memory = MemorySegment.NULL;
        private Workspace next;

        private void reserve(long needed) {
            if (memory.byteSize() >= needed) {
                return;
            }
            Arena larger = Arena.ofShared();
            MemorySegment more;
            try {
                more = larger.allocate(needed, Tensor.ALIGNMENT);
            } catch (Throwable failed) {
                larger.close();
                throw failed;
            }
            arena.close();
            bytes.addAndGet(needed - memory.byteSize());
            arena = larger;
            memory = more;
        }

        MemorySegment memory() {
            return memory;
        }

        /** Gives the workspace back. */
        @Override
        public void close() {
            giveBack(this);
        }
    }
}
