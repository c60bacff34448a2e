package dev.isthmus.engine.kernels.cpu;

import dev.isthmus.engine.config.Activation;
import dev.isthmus.engine.config.KernelKind;
import dev.isthmus.engine.kernels.LayerNorm;
import dev.isthmus.engine.kernels.Linear;
import dev.isthmus.engine.kernels.Matrix;
import dev.isthmus.engine.kernels.RowBatch;
import dev.isthmus.engine.kernels.WeightMemory;
import dev.isthmus.engine.tensor.Tensor;

/**
 * The float32 operations of {@link dev.isthmus.engine.kernels.Kernels}, shared out to a {@link WorkerTeam}: tasks are
 * rows [t0, t1), columns [n0, n1) or heads, whose sizes depend on the shapes alone. {@link CpuKernels} has checked the
 * arguments. An element's value does not depend on the task that it is computed in.
 */
sealed interface CpuOps extends AutoCloseable permits NativeOps, JavaOps {

    /** What computes, in words. */
    String description();

    /** As {@link dev.isthmus.engine.kernels.Backend#kind}. */
    KernelKind kind();

    /** As {@link dev.isthmus.engine.kernels.Backend#isBatchInvariant}. */
    boolean isBatchInvariant();

    /** The weights that these operations read. */
    WeightMemory weights();

    /** As {@link dev.isthmus.engine.kernels.Backend#workspaceBytes}. */
    default long workspaceBytes() {
        return 0;
    }

    /** As {@link dev.isthmus.engine.kernels.Backend#releaseIdle}. */
    default void releaseIdle() {}

    void embedding(Matrix wte, Tensor wpe, RowBatch batch, Tensor x);

    void layerNorm(Tensor x, LayerNorm norm, Tensor out);

    /**
     * A linear map of all rows: out = activation(x · weight + bias), or with {@code add} out += x · weight + bias,
     * without activation.
     */
    void linear(Tensor x, Linear linear, Activation activation, boolean add, Tensor out);

    /** As {@link dev.isthmus.engine.kernels.Kernels#linearPart}. */
    default void linearPart(Tensor x, Linear linear, int first, int column, Tensor out) {
        linear(x, linear, Activation.NONE, false, out);
    }

    void appendKeysAndValues(Tensor qkv, RowBatch batch, int layer);

    void attention(Tensor qkv, RowBatch batch, int layer, float scale, int first, Tensor out);

    @Override
    void close();
}
