package dev.isthmus.engine.kernels.cpu;

import dev.isthmus.engine.config.Activation;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.kernels.Kernels;
import dev.isthmus.engine.kernels.LayerNorm;
import dev.isthmus.engine.kernels.Layout;
import dev.isthmus.engine.kernels.Linear;
import dev.isthmus.engine.kernels.Matrix;
import dev.isthmus.engine.kernels.RowBatch;
import dev.isthmus.engine.kernels.ShapeChecks;
import dev.isthmus.engine.tensor.DType;
import dev.isthmus.engine.tensor.Place;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;
import java.util.function.BooleanSupplier;

/**
 * Float32 activations on the CPU, each operation split among a {@link WorkerTeam}. The parts depend on the shapes
 * alone, so results are bit-identical for any number of threads.
 */
public final class CpuKernels implements Kernels {

    private static final DType TYPE = DType.F32;
    private static final List<DType> CACHE_TYPES = List.of(DType.F32, DType.F16, DType.INT8);
    private static final ShapeChecks CHECKS =
            new ShapeChecks(Place.HOST, TYPE, List.of(TYPE), CACHE_TYPES);

    private final CpuOps ops;
    private final WorkerTeam team;

    /**
     * Puts a backend together.
     *
     * @param ops the operations
     * @param team the threads that {@code ops} share their work out to, closed with the kernels
     */
    CpuKernels(CpuOps ops, WorkerTeam team) {
        this.ops = ops;
        this.team = team;
    }

    @Override
    public String description() {
        return "cpu: " + ops.description() + ", " + team.size() + (team.size() == 1 ? " thread" : " threads");
    }

    @Override
    public Tensor allocate(Arena arena, long... dims) {
        return Tensor.allocate(arena, TYPE, dims);
    }

    @Override
    public MemorySegment allocateWeights(Arena arena, long bytes) {
        return ops.allocateWeights(arena, bytes);
    }

    @Override
    public Optional<BooleanSupplier> watch(MemorySegment mapping, Arena arena) {
        return ops.watch(mapping, arena);
    }

    @Override
    public void touch(MemorySegment part) {
        ops.touch(part);
    }

    @Override
    public boolean packsMatrices() {
        return ops instanceof NativeOps;
    }

    @Override
    public long matrixBytes(WeightType type, int inputs, int outputs) {
        return ops.matrixBytes(type, inputs, outputs);
    }

    @Override
    public Matrix matrix(WeightType type, Layout layout, int inputs, int outputs, MemorySegment memory) {
        return ops.matrix(type, layout, inputs, outputs, memory);
    }

    @Override
    public void pack(Matrix matrix, Layout layout, MemorySegment weights, int k0, int k1, int n0, int n1) {
        ShapeChecks.pack(matrix, weights, k0, k1, n0, n1);
        ops.pack(matrix, layout, weights, k0, k1, n0, n1);
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
    public List<DType> cacheTypes() {
        return CACHE_TYPES;
    }

    @Override
    public boolean isBatchInvariant() {
        return ops.isBatchInvariant();
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

    @Override
    public void softmax(Tensor x) {
        CHECKS.softmax(x);
        ops.softmax(x);
    }

    @Override
    public void close() {
        team.close();
        ops.close();
    }
}
