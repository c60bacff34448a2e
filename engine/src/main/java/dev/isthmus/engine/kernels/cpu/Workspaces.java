package dev.isthmus.engine.kernels.cpu;

import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.ConcurrentLinkedDeque;

/** Memory that operations borrow while they run: one piece for each that runs at a time, kept for the next. */
final class Workspaces implements AutoCloseable {

    private final ConcurrentLinkedDeque<Workspace> idle = new ConcurrentLinkedDeque<>();

    /** A workspace of at least {@code bytes} bytes, the caller's until it is closed. */
    Workspace borrow(long bytes) {
        Workspace workspace = idle.pollFirst();
        if (workspace == null) {
            workspace = new Workspace();
        }
        workspace.reserve(bytes);
        return workspace;
    }

    /** Frees what is not borrowed. */
    @Override
    public void close() {
        for (Workspace workspace = idle.pollFirst(); workspace != null; workspace = idle.pollFirst()) {
            workspace.arena.close();
        }
    }

    final class Workspace implements AutoCloseable {

        private Arena arena = Arena.ofShared();
        private MemorySegment memory = MemorySegment.NULL;

        private void reserve(long bytes) {
            if (memory.byteSize() < bytes) {
                Arena larger = Arena.ofShared();
                memory = larger.allocate(bytes, Tensor.ALIGNMENT);
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
