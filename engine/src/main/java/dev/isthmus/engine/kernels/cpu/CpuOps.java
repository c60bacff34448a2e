package dev.isthmus.engine.kernels.cpu;

import dev.isthmus.engine.config.Activation;
import dev.isthmus.engine.config.KernelKind;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.kernels.Layout;
import dev.isthmus.engine.kernels.Linear;
import dev.isthmus.engine.kernels.Matrix;
import dev.isthmus.engine.kernels.RowBatch;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Optional;
import java.util.function.BooleanSupplier;

/**
 * The float32 operations on parts of tensors that {@link CpuKernels} shares out among its threads: rows [t0, t1),
 * columns [n0, n1) or heads [h0, h1). The arguments are those of the same functions in {@code isthmus.h}, which
 * documents them; callers have checked them. An element's value does not depend on the part that it is computed in.
 */
sealed interface CpuOps extends AutoCloseable permits NativeOps, JavaOps {

    /** What computes, in words. */
    String description();

    /** What computes. */
    KernelKind kind();

    /** As {@link dev.isthmus.engine.kernels.Kernels#isBatchInvariant}. */
    boolean isBatchInvariant();

    MemorySegment allocateWeights(Arena arena, long bytes);

    /** As {@link dev.isthmus.engine.kernels.Kernels#watch}. */
    default Optional<BooleanSupplier> watch(MemorySegment mapping, Arena arena) {
        return Optional.empty();
    }

    /** As {@link dev.isthmus.engine.kernels.Kernels#touch}. */
    default void touch(MemorySegment part) {
        throw new UnsupportedOperationException("plain Java reads no files");
    }

    long matrixBytes(WeightType type, int inputs, int outputs);

    Matrix matrix(WeightType type, Layout layout, int inputs, int outputs, MemorySegment memory);

    void pack(Matrix matrix, Layout layout, MemorySegment weights, int k0, int k1, int n0, int n1);

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
