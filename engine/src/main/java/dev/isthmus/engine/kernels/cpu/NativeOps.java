package dev.isthmus.engine.kernels.cpu;

import dev.isthmus.bindings.isthmus.Isthmus;
import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.config.Activation;
import dev.isthmus.engine.config.KernelKind;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.errors.BackendException;
import dev.isthmus.engine.kernels.Linear;
import dev.isthmus.engine.kernels.Matrix;
import dev.isthmus.engine.kernels.RowBatch;
import dev.isthmus.engine.kernels.WeightMemory;
import dev.isthmus.engine.tensor.DType;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.function.Consumer;

/** The operations in C: libisthmus at one of its instruction-set levels. */
final class NativeOps implements CpuOps {

    /** A task of a product: at most as many rows as use a block of weights together, and columns enough to pay. */
    private static final int MOST_ROWS = 96;
    private static final int COLUMNS = 192;

    /** Rows that the inner loop takes at a time. */
    private static final int ROW_GROUP = 6;

    /** Where reading weights is what takes the time, tasks are smaller, so that the threads end together. */
    private static final int FEW_ROWS = 16;
    private static final int FEW_ROWS_COLUMNS = 128;

    private final int level;
    private final WeightMemory weights;
    private final Workspaces workspaces = new Workspaces();

    /**
     * Takes a level.
     *
     * @throws BackendException if this CPU cannot run it
     */
    NativeOps(KernelLevel level) {
        this.level = level.code();
        if (Isthmus.isthmus_level_supported(this.level) == 0) {
            throw new BackendException("kernel level " + level + ": this CPU or this build of libisthmus lacks it");
        }
        weights = new NativeWeights(this.level);
    }

    @Override
    public KernelKind kind() {
        return KernelKind.C;
    }

    @Override
    public String description() {
        return "libisthmus (" + KernelLevel.of(level) + ")";
    }

    @Override
    public boolean isBatchInvariant() {
        return true;
    }

    @Override
    public WeightMemory weights() {
        return weights;
    }

    @Override
    public long workspaceBytes() {
        return workspaces.bytes();
    }

    @Override
    public void releaseIdle() {
        workspaces.close();
    }

    @Override
    public void embedding(Matrix wte, Tensor wpe, RowBatch batch, MemorySegment x, long t0, long t1) {
        check("embedding", Isthmus.isthmus_embedding(level, NativeWeights.packed(wte).data(), code(wte.type()), wpe.data(),
                batch.tokens(), batch.positions(), x, wte.outputs(), wpe.dim(0), wte.inputs(), t0, t1));
    }

    @Override
    public void layerNorm(MemorySegment x, MemorySegment weight, MemorySegment bias, MemorySegment out, long channels,
            double epsilon, long t0, long t1) {
        check("layer norm", Isthmus.isthmus_layer_norm(level, x, weight, bias, out, channels, epsilon, t0, t1));
    }

    @Override
    public void linear(WorkerTeam team, Tensor x, Linear linear, Activation activation, boolean add, Tensor out) {
        overInputs(team, x, linear, inputs ->
                product(team, inputs, 0, linear, activation, add, 0, linear.outputs(), out));
    }

    @Override
    public void linearPart(WorkerTeam team, Tensor x, Linear linear, int first, int column, Tensor out) {
        int panel = Isthmus.ISTHMUS_PANEL();
        // The columns from n0 on are for all rows; where every row wants all of them, they make one product.
        int n0 = first == 0 ? 0 : column / panel * panel;
        overInputs(team, x, linear, inputs -> {
            product(team, inputs, 0, linear, Activation.NONE, false, n0, linear.outputs(), out);
            product(team, inputs, first, linear, Activation.NONE, false, 0, n0, out);
        });
    }

    /** Calls {@code product} with x in the form in which products with these weights read it. */
    private void overInputs(WorkerTeam team, Tensor x, Linear linear, Consumer<MemorySegment> product) {
        WeightType type = linear.weight().type();
        if (!type.isQuantized()) {
            product.accept(x.data());
            return;
        }
        int rows = (int) x.dim(0);
        int inputs = linear.inputs();
        long rowBytes = Isthmus.isthmus_quantized_row_bytes(code(type), inputs);
        try (Workspaces.Workspace workspace = workspaces.borrow(rows * rowBytes)) {
            MemorySegment bytes = workspace.memory();
            Tiles.run(team, rows, Tiles.ROWS, 1, 1, (t0, t1, n0, n1) -> check("quantize activations",
                    Isthmus.isthmus_quantize(level, x.data(), code(type), bytes, inputs, t0, t1)));
            product.accept(bytes);
        }
    }

    /** Rows from {@code first} on, columns [from, to). */
    private void product(WorkerTeam team, MemorySegment x, int first, Linear linear, Activation activation,
            boolean add, int from, int to, Tensor out) {
        int rows = (int) out.dim(0) - first;
        if (rows == 0 || from == to) {
            return;
        }
        MemorySegment weights = NativeWeights.packed(linear.weight()).data();
        MemorySegment bias = linear.bias() == null ? MemorySegment.NULL : linear.bias().data();
        int type = code(linear.weight().type());
        int function = code(activation);
        int store = add ? Isthmus.ISTHMUS_ADD() : Isthmus.ISTHMUS_STORE();
        int columns = rows <= FEW_ROWS ? FEW_ROWS_COLUMNS : COLUMNS;
        int equalParts = Math.ceilDiv(rows, Math.ceilDiv(rows, MOST_ROWS));
        int rowsOfTask = Math.ceilDiv(equalParts, ROW_GROUP) * ROW_GROUP;
        Tiles.run(team, rows, rowsOfTask, to - from, columns, (t0, t1, n0, n1) ->
                check("matrix product", Isthmus.isthmus_matmul(level, x, weights, type, bias, function, store,
                        out.data(), linear.inputs(), linear.outputs(), first + t0, first + t1, from + n0, from + n1)));
    }

    @Override
    public void softmax(MemorySegment x, long columns, long t0, long t1) {
        check("softmax", Isthmus.isthmus_softmax(level, x, columns, t0, t1));
    }

    @Override
    public void appendKeysAndValues(MemorySegment qkv, RowBatch batch, int layer, long t0, long t1) {
        KvCache cache = batch.cache(0);
        check("append to the cache", Isthmus.isthmus_append_kv(level, qkv, batch.positions(), batch.sequences(),
                batch.blocks(), batch.blockStart(), code(cache.type()), layerOffset(cache, layer), cache.heads(),
                cache.headChannels(), t0, t1));
    }

    @Override
    public void attention(MemorySegment qkv, MemorySegment out, RowBatch batch, int layer, float scale, long t0,
            long t1, long h0, long h1) {
        KvCache cache = batch.cache(0);
        check("attention", Isthmus.isthmus_attention(level, qkv, out, batch.positions(), batch.sequences(),
                batch.blocks(), batch.blockStart(), code(cache.type()), layerOffset(cache, layer), cache.heads(),
                cache.headChannels(), scale, t0, t1, h0, h1));
    }

    private static long layerOffset(KvCache cache, int layer) {
        return cache.layerOffset(layer) * cache.type().bytes();
    }

    static int code(WeightType type) {
        return switch (type) {
            case F32 -> Isthmus.ISTHMUS_TYPE_F32();
            case F16 -> Isthmus.ISTHMUS_TYPE_F16();
            case BF16 -> Isthmus.ISTHMUS_TYPE_BF16();
            case INT8 -> Isthmus.ISTHMUS_TYPE_INT8();
            case Q4 -> Isthmus.ISTHMUS_TYPE_Q4();
        };
    }

    private static int code(DType type) {
        return switch (type) {
            case F32 -> Isthmus.ISTHMUS_TYPE_F32();
            case F16 -> Isthmus.ISTHMUS_TYPE_F16();
            case INT8 -> Isthmus.ISTHMUS_TYPE_INT8();
            case BF16, F64 -> throw new IllegalArgumentException("a cache of " + type);
        };
    }

    private static int code(Activation activation) {
        return switch (activation) {
            case NONE -> Isthmus.ISTHMUS_ACT_NONE();
            case GELU_TANH -> Isthmus.ISTHMUS_ACT_GELU_TANH();
            case GELU_ERF -> Isthmus.ISTHMUS_ACT_GELU_ERF();
            case RELU -> Isthmus.ISTHMUS_ACT_RELU();
        };
    }

    static void check(String operation, int status) {
        if (status != Isthmus.ISTHMUS_OK()) {
            throw new BackendException(operation + ": libisthmus refused the arguments (status " + status
                    + "); this is a defect of the engine, please report it");
        }
    }

    @Override
    public void close() {
        workspaces.close();
    }
}
