package dev.isthmus.engine.kernels;

/**
 * Runs the passes that work in one piece of scratch memory, one at a time. Kernels that can record what a pass does to
 * that memory and do it again later at less cost have their own.
 */
@FunctionalInterface
public interface Passes extends AutoCloseable {

    /** Runs each pass as it is. */
    Passes DIRECT = (batch, outputRows, watched, operations) -> operations.run();

    /**
     * Runs a pass, or repeats what an earlier one of the same shape did. Then {@code operations} is not run: apart from
     * calls to the kernels it must do nothing, and these must depend on nothing but the arguments here.
     *
     * @param batch the pass's rows
     * @param outputRows the rows that get logits
     * @param watched whether a probe looks at tensors between the operations, so that nothing may be repeated
     * @param operations calls the kernels
     */
    void run(RowBatch batch, int[] outputRows, boolean watched, Runnable operations);

    /** Forgets what was recorded; called before the scratch memory goes. */
    @Override
    default void close() {}
}
