package dev.isthmus.engine.kernels.cpu;

import dev.isthmus.engine.config.Activation;
import dev.isthmus.engine.kernels.Kernels;
import dev.isthmus.engine.kernels.LayerNorm;
import dev.isthmus.engine.kernels.Linear;
import dev.isthmus.engine.kernels.RowBatch;
import dev.isthmus.engine.kernels.ShapeChecks;
import dev.isthmus.engine.tensor.DType;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Float32 on the CPU: OpenBLAS for matrix products of many rows, our own kernels for the rest, each operation split
 * among a {@link WorkerTeam}. The parts depend on the shapes alone, so results are bit-identical for any number of
 * threads.
 */
public final class CpuKernels implements Kernels {

    private static final DType TYPE = DType.F32;

    /** Rows that an operation other than a matrix product takes as one task. */
    private static final int ROW_TILE = 16;

    /** A task of a product by our kernel: its weights stay in the second-level cache from row to row. */
    private static final int OWN_COLUMNS = 192;
    private static final int OWN_ROWS = 64;

    /** A task of a product by OpenBLAS: large enough for the packing to pay, small enough to be shared out. */
    private static final int BLAS_COLUMNS = 192;
    private static final int BLAS_ROWS = 256;

    private final CpuOps ops;
    private final LazyBlas blas;
    private final int blasRows;
    private final WorkerTeam team;

    /**
     * Puts a backend together.
     *
     * @param ops the operations of parts
     * @param blas OpenBLAS; where there is none, {@code ops} does its work
     * @param blasRows the rows from which on OpenBLAS computes a matrix product
     * @param threads the threads that work, the caller's included
     */
    CpuKernels(CpuOps ops, LazyBlas blas, int blasRows, int threads) {
        this.ops = ops;
        this.blas = blas;
        this.blasRows = blasRows;
        this.team = new WorkerTeam(threads);
    }

    @Override
    public String description() {
        boolean openBlas = blasRows != CpuBackend.NEVER && blas.get() != null;
        return "cpu: " + ops.description() + ", "
                + (openBlas ? "OpenBLAS from " + blasRows + " rows" : "no OpenBLAS") + ", " + team.size()
                + (team.size() == 1 ? " thread" : " threads");
    }

    @Override
    public Tensor allocate(Arena arena, long... dims) {
        return Tensor.allocate(arena, TYPE, dims);
    }

    @Override
    public void embedding(Tensor wte, Tensor wpe, RowBatch batch, Tensor x) {
        ShapeChecks.embedding(TYPE, wte, wpe, batch, x);
        overRows(x.dim(0), (t0, t1) -> ops.embedding(wte.data(), wpe.data(), batch, x.data(), wte.dim(0), wpe.dim(0),
                x.dim(1), t0, t1));
    }

    @Override
    public void layerNorm(Tensor x, LayerNorm norm, Tensor out) {
        ShapeChecks.layerNorm(TYPE, x, norm, out);
        overRows(x.dim(0), (t0, t1) -> ops.layerNorm(x.data(), norm.weight().data(), norm.bias().data(), out.data(),
                x.dim(1), norm.epsilon(), t0, t1));
    }

    @Override
    public void linear(Tensor x, Linear linear, Activation activation, Tensor out) {
        ShapeChecks.linear(TYPE, x, linear, out);
        int rows = (int) x.dim(0);
        Blas openBlas = rows >= blasRows ? blas.get() : null;
        int inputs = linear.inputs();
        int outputs = linear.outputs();
        if (openBlas != null) {
            overTiles(rows, BLAS_ROWS, outputs, BLAS_COLUMNS, (t0, t1, n0, n1) -> {
                openBlas.sgemm(x.data(), linear.weight().data(), out.data(), linear.layout(), inputs, outputs, t0, t1,
                        n0, n1);
                addBias(linear, activation, out, t0, t1, n0, n1);
            });
        } else {
            overTiles(rows, OWN_ROWS, outputs, OWN_COLUMNS, (t0, t1, n0, n1) -> {
                for (int t = t0; t < t1; t += CpuOps.MATMUL_MAX_ROWS) {
                    int count = Math.min(CpuOps.MATMUL_MAX_ROWS, t1 - t);
                    ops.matmul(rowSlice(x, t, count), linear.weight().data(), rowSlice(out, t, count),
                            linear.layout(), count, inputs, outputs, n0, n1);
                }
                addBias(linear, activation, out, t0, t1, n0, n1);
            });
        }
    }

    private void addBias(Linear linear, Activation activation, Tensor out, int t0, int t1, int n0, int n1) {
        if (linear.bias() != null || activation != Activation.NONE) {
            MemorySegment bias = linear.bias() == null ? null : linear.bias().data();
            ops.biasActivation(rowSlice(out, t0, t1 - t0), bias, activation, t1 - t0, linear.outputs(), n0, n1);
        }
    }

    @Override
    public void add(Tensor x, Tensor y) {
        ShapeChecks.add(TYPE, x, y);
        overRows(x.dim(0), (t0, t1) -> ops.residualAdd(x.data(), y.data(), x.dim(1), t0, t1));
    }

    @Override
    public void appendKeysAndValues(Tensor qkv, RowBatch batch, int layer) {
        ShapeChecks.append(TYPE, qkv, batch, layer);
        overRows(batch.rows(), (t0, t1) -> ops.appendKeysAndValues(qkv.data(), batch, layer, t0, t1));
    }

    @Override
    public void attention(Tensor qkv, RowBatch batch, int layer, double scale, Tensor out) {
        ShapeChecks.attention(TYPE, qkv, batch, layer, out);
        overTiles(batch.rows(), ROW_TILE, batch.cache(0).heads(), 1, (t0, t1, h0, h1) ->
                ops.attention(qkv.data(), out.data(), batch, layer, (float) scale, t0, t1, h0, h1));
    }

    @Override
    public void selectRows(Tensor x, int[] rows, Tensor out) {
        ShapeChecks.selectRows(TYPE, x, rows, out);
        for (int i = 0; i < rows.length; i++) {
            rowSlice(out, i, 1).copyFrom(rowSlice(x, rows[i], 1));
        }
    }

    @Override
    public void softmax(Tensor x) {
        ShapeChecks.softmax(TYPE, x);
        overRows(x.dim(0), (t0, t1) -> ops.softmax(x.data(), x.dim(1), t0, t1));
    }

    @Override
    public void close() {
        team.close();
    }

    private void overRows(long rows, RangeTask task) {
        team.run((int) Math.ceilDiv(rows, (long) ROW_TILE), i -> {
            long from = (long) i * ROW_TILE;
            task.run(from, Math.min(from + ROW_TILE, rows));
        });
    }

    private void overTiles(int rows, int tileRows, int columns, int tileColumns, TileTask task) {
        int rowTiles = Math.ceilDiv(rows, tileRows);
        team.run(rowTiles * Math.ceilDiv(columns, tileColumns), tile -> {
            int t0 = tile % rowTiles * tileRows;
            int n0 = tile / rowTiles * tileColumns;
            task.run(t0, Math.min(t0 + tileRows, rows), n0, Math.min(n0 + tileColumns, columns));
        });
    }

    private static MemorySegment rowSlice(Tensor tensor, long from, long count) {
        long rowBytes = tensor.dim(1) * Float.BYTES;
        return tensor.data().asSlice(from * rowBytes, count * rowBytes);
    }

    @FunctionalInterface
    private interface RangeTask {
        void run(long from, long to);
    }

    @FunctionalInterface
    private interface TileTask {
        void run(int t0, int t1, int n0, int n1);
    }
}
