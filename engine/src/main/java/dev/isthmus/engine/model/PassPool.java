package dev.isthmus.engine.model;

import dev.isthmus.engine.kernels.RowBatch;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.concurrent.ConcurrentLinkedDeque;

/**
 * What forward passes compute in: a batch and scratch for each pass that runs at a time, kept for the next. Any number
 * of threads may use it.
 */
public final class PassPool implements AutoCloseable {

    private final Gpt2Forward forward;
    private final ConcurrentLinkedDeque<Pass> idle = new ConcurrentLinkedDeque<>();

    /** An empty pool. */
    public PassPool(Gpt2Forward forward) {
        this.forward = forward;
    }

    /** A pass, the caller's until it is closed. */
    public Pass borrow() {
        Pass pass = idle.pollFirst();
        return pass == null ? new Pass() : pass;
    }

    /** Frees what is not borrowed. */
    @Override
    public void close() {
        for (Pass pass = idle.pollFirst(); pass != null; pass = idle.pollFirst()) {
            pass.free();
        }
    }

    /** What one pass computes in. Not safe for use by several threads at once. */
    public final class Pass implements AutoCloseable {

        private final Arena arena = Arena.ofShared();
        private final RowBatch batch = new RowBatch(arena);
        private final Scratch scratch = forward.newScratch();

        private Pass() {}

        /** Takes the rows to compute, at most so many. What only a prompt's passes need is freed before caches grow. */
        public RowBatch batch(int most) {
            scratch.expect(most);
            batch.clear();
            return batch;
        }

        /** Computes the batch; see {@link Gpt2Forward#forward}. */
        public Tensor forward(int[] outputRows, LayerProbe probe) {
            return forward.forward(batch, outputRows, scratch, probe);
        }

        private void free() {
            scratch.close();
            arena.close();
        }

        /** Gives it back. */
        @Override
        public void close() {
            batch.clear();
            idle.addFirst(this);
        }
    }
}
