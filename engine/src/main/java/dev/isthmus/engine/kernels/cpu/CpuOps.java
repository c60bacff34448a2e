package dev.isthmus.engine.kernels.cpu;

import dev.isthmus.engine.config.Activation;
import dev.isthmus.engine.config.KernelKind;
import dev.isthmus.engine.kernels.Linear;
import dev.isthmus.engine.kernels.Matrix;
import dev.isthmus.engine.kernels.RowBatch;
import dev.isthmus.engine.kernels.WeightMemory;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.MemorySegment;

/**
 * The float32 operations on parts of tensors that {@link CpuKernels} shares out among its threads: rows [t0, t1),
 * columns [n0, n1) or heads [h0, h1). The arguments are those of the same functions in {@code isthmus.h}, which
 * documents them; callers have checked them. An element's value does not depend on the part that it is computed in.
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

    void embedding(Matrix wte, Tensor wpe, RowBatch batch, MemorySegment x, long t0, long t1);

    void layerNorm(MemorySegment x, MemorySegment weight, MemorySegment bias, MemorySegment out, long channels,
            double epsilon, long t0, long t1);

    /**
     * A linear map of all rows, shared out to the team: out = activation(x · weight + bias), or with {@code add}
     * out += x · weight + bias, without activation.
     */
    void linear(WorkerTeam team, Tensor x, Linear linear, Activation activation, boolean add, Tensor out);

    /** As {@link dev.isthmus.engine.kernels.Kernels#linearPart}. */
    default void linearPart(WorkerTeam team, Tensor x, Linear linear, int first, int column, Tensor out) {
        linear(team, x, linear, Activation.NONE, false, out);
    }

    void softmax(MemorySegment x, long columns, long t0, long t1);

    void appendKeysAndValues(MemorySegment qkv, RowBatch batch, int layer, long t0, long t1);

    void attention(MemorySegment qkv, MemorySegment out, RowBatch batch, int layer, float scale, long t0, long t1,
            long h0, long h1);

    @Override
    void close();
}
