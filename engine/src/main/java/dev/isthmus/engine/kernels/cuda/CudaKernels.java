package dev.isthmus.engine.kernels.cuda;

import dev.isthmus.bindings.cuda.Cuda;
import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.config.Activation;
import dev.isthmus.engine.kernels.DeviceMatrix;
import dev.isthmus.engine.kernels.Kernels;
import dev.isthmus.engine.kernels.LayerNorm;
import dev.isthmus.engine.kernels.Linear;
import dev.isthmus.engine.kernels.Matrix;
import dev.isthmus.engine.kernels.RowBatch;
import dev.isthmus.engine.kernels.ShapeChecks;
import dev.isthmus.engine.tensor.DType;
import dev.isthmus.engine.tensor.Place;
import dev.isthmus.engine.tensor.Shape;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * The operations on an NVIDIA GPU, by our own kernels and cuBLAS. The residual stream and logits are float32; what
 * products read and the cache are of the weights' type, F32, F16 or BF16. All is enqueued on one stream, and nothing here
 * waits for it.
 *
 * <p>Several threads may call one instance; one at a time enqueues.
 */
final class CudaKernels implements Kernels {

    static final List<DType> TYPES = List.of(DType.F32, DType.F16, DType.BF16);
    static final ShapeChecks CHECKS = new ShapeChecks(Place.DEVICE, DType.F32, TYPES, TYPES);

    private static final int BLOCK = 256;

    private final CudaContext context;
    private final CudaModule kernels;
    private final Products products;
    private final CudaAttention attention;
    private final Transfers transfers;
    private final Workspace selection;

    /** The operations on a device; the caller has entered the context. */
    CudaKernels(CudaContext context, CudaModule kernels, Transfers transfers) {
        this.context = context;
        this.kernels = kernels;
        this.transfers = transfers;
        products = new Products(context, kernels);
        attention = new CudaAttention(context, kernels);
        selection = new Workspace(context);
    }

    /** Counts how often memory that recorded passes use moved. */
    int generation() {
        return attention.generation() + products.generation();
    }

    @Override
    public void embedding(Matrix wte, Tensor wpe, RowBatch batch, Tensor x) {
        CHECKS.embedding(wte, wpe, batch, x);
        try (CudaContext.Use _ = context.enter()) {
            DeviceBatch rows = DeviceBatch.of(context, batch);
            Tensor weight = ((DeviceMatrix) wte).weight();
            kernels.with(weight).and(wpe).and(rows.tokens()).and(rows.positions()).and(x).and(wte.inputs())
                    .and(wte.outputs()).and((int) wpe.dim(0))
                    .launch("embedding_" + Types.suffix(weight.dtype()), batch.rows(), 1, 1, BLOCK);
        }
    }

    @Override
    public void layerNorm(Tensor x, LayerNorm norm, Tensor out) {
        CHECKS.layerNorm(x, norm, out);
        try (CudaContext.Use _ = context.enter()) {
            kernels.with(x).and(norm.weight()).and(norm.bias()).and(out).and((int) x.dim(1))
                    .and((float) norm.epsilon())
                    .launch("layer_norm_" + Types.suffix(out.dtype()), x.dim(0), 1, 1, BLOCK);
        }
    }

    @Override
    public void linear(Tensor x, Linear linear, Activation activation, Tensor out) {
        CHECKS.linear(x, linear, out);
        try (CudaContext.Use _ = context.enter()) {
            products.store(x, linear, activation, out);
        }
    }

    @Override
    public void linearAdd(Tensor x, Linear linear, Tensor out) {
        CHECKS.linearAdd(x, linear, out);
        try (CudaContext.Use _ = context.enter()) {
            if (!products.add(x, linear, out)) {
                kernels.with(out).and(MemorySegment.NULL).and(linear.bias()).and((int) out.dim(1))
                        .launch("residual_add", out.dim(0), 1, 1, BLOCK);
            }
        }
    }

    @Override
    public void linearAddNorm(Tensor x, Linear linear, Tensor out, LayerNorm norm, Tensor normed) {
        CHECKS.linearAdd(x, linear, out);
        CHECKS.layerNorm(out, norm, normed);
        try (CudaContext.Use _ = context.enter()) {
            if (products.add(x, linear, out)) {
                layerNorm(out, norm, normed);
                return;
            }
            kernels.with(out).and(MemorySegment.NULL).and(linear.bias()).and(norm.weight()).and(norm.bias())
                    .and(normed).and((int) out.dim(1)).and((float) norm.epsilon())
                    .launch("residual_layer_norm_" + Types.suffix(normed.dtype()), out.dim(0), 1, 1, BLOCK);
        }
    }

    @Override
    public void appendKeysAndValues(Tensor qkv, RowBatch batch, int layer) {
        checkAppend(qkv, batch, layer);
        try (CudaContext.Use _ = context.enter()) {
            attention.append(qkv, batch, layer, null);
        }
    }

    private static void checkAppend(Tensor qkv, RowBatch batch, int layer) {
        CHECKS.append(qkv, batch, layer);
        if (qkv.dtype() != batch.cache(0).type()) {
            throw new IllegalArgumentException("append: qkv: expected the cache's type " + batch.cache(0).type()
                    + ", found " + qkv.dtype());
        }
    }

    /** The rows' keys and values are written once more on the way. */
    @Override
    public void attention(Tensor qkv, RowBatch batch, int layer, double scale, int first, Tensor out) {
        appendAndAttend(qkv, batch, layer, scale, first, out);
    }

    /** out = attention of the queries q [T, C], which may be out; the rows' keys and values are in the caches. */
    void attend(Tensor q, RowBatch batch, int layer, double scale, Tensor out) {
        KvCache cache = batch.cache(0);
        Shape expected = new Shape(batch.rows(), (long) cache.heads() * cache.headChannels());
        for (Tensor each : List.of(q, out)) {
            if (!each.shape().equals(expected) || each.dtype() != cache.type() || each.place() != Place.DEVICE) {
                throw new IllegalArgumentException("attention: q and out: expected " + cache.type() + " " + expected
                        + " on the device, found " + each);
            }
        }
        try (CudaContext.Use _ = context.enter()) {
            attention.attend(q, batch, layer, (float) scale, out);
        }
    }

    /** Computes all rows: those before {@code first} cost a device little. */
    @Override
    public void appendAndAttend(Tensor qkv, RowBatch batch, int layer, double scale, int first, Tensor out) {
        checkAppend(qkv, batch, layer);
        CHECKS.attention(qkv, batch, layer, first, out);
        try (CudaContext.Use _ = context.enter()) {
            attention.append(qkv, batch, layer, out);
            attention.attend(out, batch, layer, (float) scale, out);
        }
    }

    /** The kernel copies floats, here whatever bits are there: two elements of half their size as one. */
    @Override
    public void selectRows(Tensor x, int[] rows, Tensor out) {
        CHECKS.selectRows(x, rows, out);
        if (rows.length == 0) {
            return;
        }
        long rowBytes = x.dim(1) * x.dtype().bytes();
        if (rowBytes % Float.BYTES != 0) {
            throw new IllegalArgumentException("select rows: expected rows of whole words of " + Float.BYTES
                    + " bytes, found " + rowBytes + " bytes");
        }
        try (CudaContext.Use _ = context.enter()) {
            if (isRange(rows)) {
                Status.check("copying rows", Cuda.cuMemcpyDtoDAsync_v2(out.data().address(),
                        x.data().address() + rows[0] * rowBytes, rows.length * rowBytes, context.stream()));
                return;
            }
            MemorySegment indices = selection.reserve((long) rows.length * Integer.BYTES);
            transfers.toDevice(MemorySegment.ofArray(rows), indices.address());
            kernels.with(x).and(indices).and(out).and((int) (rowBytes / Float.BYTES))
                    .launch("select_rows", rows.length, 1, 1, BLOCK);
        }
    }

    private static boolean isRange(int[] rows) {
        boolean range = true;
        for (int i = 1; i < rows.length; i++) {
            range &= rows[i] == rows[0] + i;
        }
        return range;
    }

    /** Frees what the operations hold; the caller has entered the context. */
    void close() {
        selection.close();
        attention.close();
        products.close();
    }
}
