package dev.isthmus.engine.kernels;

import dev.isthmus.engine.cache.BlockMemory;
import dev.isthmus.engine.config.KernelKind;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.tensor.DType;
import java.util.List;
import java.util.Optional;

/**
 * A place to compute: the memory that tensors, weights and caches lie in, and the operations on them. A backend computes
 * with what its own memories allocated only.
 *
 * <p>Several threads may use one instance at once.
 */
public interface Backend extends AutoCloseable {

    /** What computes, in words. */
    String description();

    /** What computes. */
    KernelKind kind();

    /** The operations that the transformer is made of. */
    Kernels kernels();

    /** The memory of activations. */
    TensorMemory tensors();

    /** The memory of weights, and the form that matrices have in it. */
    WeightMemory weights();

    /** The memory of the blocks of caches. */
    BlockMemory blocks();

    /** The element types that a cache may have with such weights, the usual one first. */
    List<DType> cacheTypes(WeightType weights);

    /** What chooses tokens without reading their logits back; empty where the caller reads them and chooses. */
    default Optional<TokenChooser> tokenChooser() {
        return Optional.empty();
    }

    /** Whether a row's results are the same bits whatever other rows are in the batch, and however many. */
    boolean isBatchInvariant();

    /**
     * Checks that attention can be computed with a model's heads.
     *
     * @param headChannels D
     * @throws dev.isthmus.engine.errors.UnsupportedModelException if not
     */
    default void requireHeads(int headChannels) {}

    /** The most rows of a prompt to read in one pass: enough for full speed, and a bound on the scratch memory. */
    default int maxChunkRows() {
        return 512;
    }

    /** What runs the passes that work in one piece of scratch memory. */
    default Passes newPasses() {
        return Passes.DIRECT;
    }

    /** The bytes that operations work in besides their arguments, in use or kept for the next. */
    default long workspaceBytes() {
        return 0;
    }

    /** Frees what is kept for operations to come. */
    default void releaseIdle() {}

    /** Ends the backend's threads and frees what it holds; idempotent. Memory that arenas own stays until they close. */
    @Override
    void close();
}
