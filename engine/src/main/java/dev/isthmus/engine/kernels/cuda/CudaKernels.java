package dev.isthmus.engine.kernels.cuda;

import dev.isthmus.bindings.DeviceMemory;
import dev.isthmus.bindings.cuda.Cuda;
import dev.isthmus.engine.cache.BlockMemory;
import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.config.Activation;
import dev.isthmus.engine.config.KernelKind;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.kernels.DeviceMatrix;
import dev.isthmus.engine.kernels.Draw;
import dev.isthmus.engine.kernels.HostMemory;
import dev.isthmus.engine.kernels.Kernels;
import dev.isthmus.engine.kernels.LayerNorm;
import dev.isthmus.engine.kernels.Layout;
import dev.isthmus.engine.kernels.Linear;
import dev.isthmus.engine.kernels.Matrix;
import dev.isthmus.engine.kernels.Passes;
import dev.isthmus.engine.kernels.RowBatch;
import dev.isthmus.engine.kernels.ShapeChecks;
import dev.isthmus.engine.tensor.DType;
import dev.isthmus.engine.tensor.Place;
import dev.isthmus.engine.tensor.Shape;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.util.List;
import java.util.Objects;

/**
 * The operations on an NVIDIA GPU, by our own kernels and cuBLAS. The residual stream and logits are float32; what
 * products read and the cache are of the weights' type, F32, F16 or BF16. All is enqueued on one stream and nothing waits
 * for it but {@link #read}, {@link #keys} and {@link #choose}.
 *
 * <p>Several threads may call one instance; one at a time enqueues.
 */
public final class CudaKernels implements Kernels {

    private static final List<DType> TYPES = List.of(DType.F32, DType.F16, DType.BF16);
    private static final ShapeChecks CHECKS = new ShapeChecks(Place.DEVICE, DType.F32, TYPES, TYPES);

    private static final int BLOCK = 256;

    private final CudaContext context;
    private final CudaModule kernels;
    private final Products products;
    private final CudaAttention attention;
    private final Transfers transfers;
    private final TokenChoice tokens;
    private final WeightUpload upload;
    private final Workspace selection;
    private boolean closed;

    /**
     * Makes the kernels of a device.
     *
     * @throws dev.isthmus.engine.errors.BackendException if it cannot be used
     */
    public CudaKernels(CudaDevice device) {
        context = new CudaContext(device);
        try (CudaContext.Use _ = context.enter()) {
            kernels = new CudaModule(context);
            products = new Products(context, kernels);
            attention = new CudaAttention(context, kernels);
            transfers = new Transfers(context);
            tokens = new TokenChoice(context, kernels, transfers);
            upload = new WeightUpload(context, kernels, transfers);
            selection = new Workspace(context);
        } catch (Throwable failed) {
            context.close();
            throw failed;
        }
    }

    @Override
    public KernelKind kind() {
        return KernelKind.CUDA;
    }

    @Override
    public String description() {
        return "cuda: " + context.device().name();
    }

    @Override
    public Place place() {
        return Place.DEVICE;
    }

    @Override
    public Tensor allocate(Arena arena, long... dims) {
        return tensor(arena, DType.F32, dims);
    }

    @Override
    public Tensor allocateInputs(WeightType weights, Arena arena, long... dims) {
        return tensor(arena, Types.elements(weights), dims);
    }

    private Tensor tensor(Arena arena, DType type, long... dims) {
        Shape shape = new Shape(dims);
        MemorySegment memory = context.allocate(arena, Math.multiplyExact(shape.elements(), (long) type.bytes()));
        return new Tensor(memory, type, shape, Place.DEVICE);
    }

    @Override
    public MemorySegment allocateWeights(Arena arena, long bytes) {
        return context.allocate(arena, bytes);
    }

    @Override
    public SegmentAllocator weightsAllocator(Arena arena, long bytes) {
        long begin = allocateWeights(arena, bytes).address();
        long[] used = {0};
        return (size, alignment) -> {
            long from = Math.ceilDiv(used[0], alignment) * alignment;
            Objects.checkFromIndexSize(from, size, bytes);
            used[0] = from + size;
            return DeviceMemory.part(begin + from, arena);
        };
    }

    @Override
    public boolean packsMatrices() {
        return false;
    }

    @Override
    public long matrixBytes(WeightType type, int inputs, int outputs) {
        return (long) inputs * outputs * Types.elements(type).bytes();
    }

    @Override
    public Matrix matrix(WeightType type, Layout layout, int inputs, int outputs, MemorySegment memory) {
        return new DeviceMatrix(type,
                new Tensor(memory, Types.elements(type), new Shape(outputs, inputs), Place.DEVICE));
    }

    @Override
    public void pack(Matrix matrix, Layout layout, MemorySegment weights, int k0, int k1, int n0, int n1) {
        ShapeChecks.pack(matrix, weights, k0, k1, n0, n1);
        if (!(matrix instanceof DeviceMatrix mine)) {
            throw new IllegalArgumentException("expected a matrix made by these kernels");
        }
        try (CudaContext.Use _ = context.enter()) {
            upload.pack(mine, layout, weights, k0, k1, n0, n1);
        }
    }

    @Override
    public void read(Tensor from, long first, float[] into) {
        try (CudaContext.Use _ = context.enter()) {
            HostMemory.read(onHost(from, first, into.length), 0, into);
        }
    }

    @Override
    public void read(Tensor from, long first, double[] into) {
        try (CudaContext.Use _ = context.enter()) {
            HostMemory.read(onHost(from, first, into.length), 0, into);
        }
    }

    @Override
    public void readWeights(Matrix matrix, int first, float[] into) {
        read(((DeviceMatrix) matrix).weight(), (long) first * matrix.inputs(), into);
    }

    private Tensor onHost(Tensor from, long first, int count) {
        Objects.checkFromIndexSize(first, count, from.shape().elements());
        int bytes = from.dtype().bytes();
        return new Tensor(transfers.toHost(from.data().address() + first * bytes, (long) count * bytes), from.dtype(),
                new Shape(count));
    }

    @Override
    public void write(MemorySegment values, Tensor into) {
        try (CudaContext.Use _ = context.enter(); Arena temporary = Arena.ofConfined()) {
            Tensor rounded = Tensor.allocate(temporary, into.dtype(), into.shape().elements());
            HostMemory.write(values, rounded);
            transfers.toDevice(rounded.data(), into.data().address());
        }
    }

    @Override
    public Passes newPasses() {
        return new CudaPasses(this, context);
    }

    /** Counts how often memory that recorded passes use moved. */
    int generation() {
        return attention.generation();
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
    public List<DType> cacheTypes() {
        return TYPES;
    }

    @Override
    public List<DType> cacheTypes(WeightType weights) {
        return List.of(Types.elements(weights));
    }

    @Override
    public BlockMemory blockMemory() {
        return new CudaBlocks(context, transfers);
    }

    /** Few rows are computed by other kernels than many. */
    @Override
    public boolean isBatchInvariant() {
        return false;
    }

    @Override
    public double[] keys(KvCache cache, int layer, int head, int positions) {
        int d = cache.headChannels();
        double[] keys = new double[positions * d];
        double[] part = new double[Math.min(positions, KvCache.BLOCK_POSITIONS) * d];
        for (int from = 0; from < positions; from += KvCache.BLOCK_POSITIONS) {
            int count = Math.min(KvCache.BLOCK_POSITIONS, positions - from) * d;
            if (count < part.length) {
                part = new double[count];
            }
            // A head's keys begin where the host's do; in a block of these kernels they lie position by position.
            read(cache.block(from / KvCache.BLOCK_POSITIONS), cache.keys(layer, head), part);
            System.arraycopy(part, 0, keys, from * d, count);
        }
        return keys;
    }

    @Override
    public void requireHeads(int headChannels) {
        CudaAttention.requireHeads(headChannels);
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

    @Override
    public void softmax(Tensor x) {
        CHECKS.softmax(x);
        try (CudaContext.Use _ = context.enter()) {
            kernels.with(x).and((int) x.dim(1)).launch("softmax", x.dim(0), 1, 1, BLOCK);
        }
    }

    @Override
    public boolean choosesTokens() {
        return true;
    }

    @Override
    public int[] choose(Tensor logits, int first, Draw... draws) {
        CHECKS.softmax(logits);
        Objects.checkFromIndexSize(first, draws.length, logits.dim(0));
        int vocabulary = (int) logits.dim(1);
        long row = (long) vocabulary * Float.BYTES;
        try (CudaContext.Use _ = context.enter()) {
            return tokens.choose(MemorySegment.ofAddress(logits.data().address() + first * row), vocabulary, draws);
        }
    }

    /** Times what is enqueued here. */
    public DeviceTimer newTimer() {
        return new DeviceTimer(context);
    }

    /** Memory that arenas own stays valid until they close. */
    @Override
    public void close() {
        try (CudaContext.Use _ = context.enter()) {
            if (closed) {
                return;
            }
            closed = true;
            selection.close();
            upload.close();
            tokens.close();
            transfers.close();
            attention.close();
            products.close();
        }
        context.close();
    }
}
