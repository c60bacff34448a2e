package dev.isthmus.engine.kernels.cpu;

import dev.isthmus.engine.config.Activation;
import dev.isthmus.engine.kernels.Layout;
import dev.isthmus.engine.kernels.RowBatch;
import java.lang.foreign.MemorySegment;

/**
 * The float32 operations on parts of tensors that {@link CpuKernels} shares out among its threads: rows [t0, t1),
 * columns [n0, n1) or heads [h0, h1). The arguments are those of the same functions in {@code isthmus.h}, which
 * documents them; callers have checked them. An element's value does not depend on the part that it is computed in.
 */
sealed interface CpuOps permits NativeOps, JavaOps {

    /** The most rows that {@link #matmul} takes in one call. */
    int MATMUL_MAX_ROWS = 16;

    /** What computes, in words. */
    String description();

    void embedding(MemorySegment wte, MemorySegment wpe, RowBatch batch, MemorySegment x, long vocabulary,
            long positions, long channels, long t0, long t1);

    void layerNorm(MemorySegment x, MemorySegment weight, MemorySegment bias, MemorySegment out, long channels,
            double epsilon, long t0, long t1);

    /** x[t, n] = activation(x[t, n] + bias[n]) on x [rows, outputs]; bias may be null. */
    void biasActivation(MemorySegment x, MemorySegment bias, Activation activation, long rows, long outputs, long n0,
            long n1);

    void residualAdd(MemorySegment x, MemorySegment y, long channels, long t0, long t1);

    /** out = x · w for at most {@link #MATMUL_MAX_ROWS} rows. */
    void matmul(MemorySegment x, MemorySegment w, MemorySegment out, Layout layout, long rows, long inputs,
            long outputs, long n0, long n1);

    void softmax(MemorySegment x, long columns, long t0, long t1);

    void appendKeysAndValues(MemorySegment qkv, RowBatch batch, int layer, long t0, long t1);

    void attention(MemorySegment qkv, MemorySegment out, RowBatch batch, int layer, float scale, long t0, long t1,
            long h0, long h1);
}
