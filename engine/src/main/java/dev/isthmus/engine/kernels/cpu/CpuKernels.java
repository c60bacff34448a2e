package dev.isthmus.engine.kernels.cpu;

import dev.isthmus.engine.config.Activation;
import dev.isthmus.engine.kernels.Kernels;
import dev.isthmus.engine.kernels.LayerNorm;
import dev.isthmus.engine.kernels.Linear;
import dev.isthmus.engine.kernels.Matrix;
import dev.isthmus.engine.kernels.RowBatch;
import dev.isthmus.engine.kernels.ShapeChecks;
import dev.isthmus.engine.tensor.DType;
import dev.isthmus.engine.tensor.Place;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * Float32 activations on the CPU, each operation split among a {@link WorkerTeam}. The parts depend on the shapes
 * alone, so results are bit-identical for any number of threads.
 */
final class CpuKernels implements Kernels {

    static final DType TYPE = DType.F32;
    static final List<DType> CACHE_TYPES = List.of(DType.F32, DType.F16, DType.INT8);
    private static final ShapeChecks CHECKS =
            new ShapeChecks(Place.HOST, TYPE, List.of(TYPE), CACHE_TYPES);

    private final CpuOps ops;

    /** Checked operations. */
    CpuKernels(CpuOps ops) {
        this.ops = ops;
    }

    @Override
    public void embedding(Matrix wte, Tensor wpe, RowBatch batch, Tensor x) {
        CHECKS.embedding(wte, wpe, batch, x);
        ops.embedding(wte, wpe, batch, x);
    }

    @Override
    public void layerNorm(Tensor x, LayerNorm norm, Tensor out) {
        CHECKS.layerNorm(x, norm, out);
        ops.layerNorm(x, norm, out);
    }

    @Override
    public void linear(Tensor x, Linear linear, Activation activation, Tensor out) {
        CHECKS.linear(x, linear, out);
        ops.linear(x, linear, activation, false, out);
    }

    @Override
    public void linearPart(Tensor x, Linear linear, int first, int column, Tensor out) {
        CHECKS.linearPart(x, linear, first, column, out);
        ops.linearPart(x, linear, first, column, out);
    }

    @Override
    public void linearAdd(Tensor x, Linear linear, Tensor out) {
        CHECKS.linearAdd(x, linear, out);
        ops.linear(x, linear, Activation.NONE, true, out);
    }

    @Override
    public void appendKeysAndValues(Tensor qkv, RowBatch batch, int layer) {
        CHECKS.append(qkv, batch, layer);
        ops.appendKeysAndValues(qkv, batch, layer);
    }

    @Override
    public void attention(Tensor qkv, RowBatch batch, int layer, double scale, int first, Tensor out) {
        CHECKS.attention(qkv, batch, layer, first, out);
        ops.attention(qkv, batch, layer, (float) scale, first, out);
    }

    @Override
    public void selectRows(Tensor x, int[] rows, Tensor out) {
        CHECKS.selectRows(x, rows, out);
        long rowBytes = x.dim(1) * Float.BYTES;
        for (int i = 0; i < rows.length; i++) {
            MemorySegment.copy(x.data(), rows[i] * rowBytes, out.data(), i * rowBytes, rowBytes);
        }
    }
}
