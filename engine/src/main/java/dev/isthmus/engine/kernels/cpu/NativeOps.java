package dev.isthmus.engine.kernels.cpu;

import dev.isthmus.bindings.isthmus.Isthmus;
import dev.isthmus.bindings.isthmus.isthmus_epilogue;
import dev.isthmus.bindings.isthmus.isthmus_matrix;
import dev.isthmus.bindings.isthmus.isthmus_norm;
import dev.isthmus.bindings.isthmus.isthmus_queries;
import dev.isthmus.engine.config.Activation;
import dev.isthmus.engine.config.KernelKind;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.errors.BackendException;
import dev.isthmus.engine.kernels.LayerNorm;
import dev.isthmus.engine.kernels.Linear;
import dev.isthmus.engine.kernels.Matrix;
import dev.isthmus.engine.kernels.RowBatch;
import dev.isthmus.engine.kernels.WeightMemory;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.MemorySegment;

/** The operations in C: libisthmus at one of its instruction-set levels. */
final class NativeOps implements CpuOps {

    /** A task of a product: at most as many rows as use a block of weights together, and columns enough to pay. */
    private static final int MAX_ROWS = 96;
    private static final int COLUMNS = 192;

    /** Where reading weights is what takes the time, tasks are smaller, so that the threads end together. */
    private static final int FEW_ROWS = 16;
    private static final int FEW_ROWS_COLUMNS = 128;

    /** What a product's structs take at the beginning of its workspace; what follows is aligned. */
    private static final long STRUCTS = Tensor.ALIGNMENT;

    private final int level;
    private final WorkerTeam team;
    private final WeightMemory weights;
    private final Workspaces workspaces = new Workspaces();

    /**
     * Takes a level and the threads that work.
     *
     * @throws BackendException if this CPU cannot run it
     */
    NativeOps(KernelLevel level, WorkerTeam team) {
        this.level = level.code();
        this.team = team;
        if (Isthmus.isthmus_level_supported(this.level) == 0) {
            throw new BackendException("kernel level " + level + ": this CPU or this build of libisthmus lacks it");
        }
        weights = new NativeWeights(this.level);
    }

    @Override
    public String description() {
        return "libisthmus (" + KernelLevel.of(level) + ")";
    }

    @Override
    public KernelKind kind() {
        return KernelKind.C;
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
    public void embedding(Matrix wte, Tensor wpe, RowBatch batch, Tensor x) {
        MemorySegment rows = NativeBatch.of(batch).rows();
        try (Workspaces.Workspace workspace = workspaces.borrow(isthmus_matrix.sizeof())) {
            MemorySegment matrix = fill(workspace.memory(), wte);
            Tiles.overRows(team, x.dim(0), (t0, t1) -> check("embedding", Isthmus.isthmus_embedding(level, matrix,
                    wpe.data(), wpe.dim(0), rows, x.data(), t0, t1)));
        }
    }

    @Override
    public void layerNorm(Tensor x, LayerNorm norm, Tensor out) {
        try (Workspaces.Workspace workspace = workspaces.borrow(isthmus_norm.sizeof())) {
            MemorySegment parameters = workspace.memory();
            isthmus_norm.weight(parameters, norm.weight().data());
            isthmus_norm.bias(parameters, norm.bias().data());
            isthmus_norm.C(parameters, x.dim(1));
            isthmus_norm.epsilon(parameters, norm.epsilon());
            Tiles.overRows(team, x.dim(0), (t0, t1) -> check("layer norm",
                    Isthmus.isthmus_layer_norm(level, x.data(), parameters, out.data(), t0, t1)));
        }
    }

    @Override
    public void linear(Tensor x, Linear linear, Activation activation, boolean add, Tensor out) {
        try (Product product = new Product(x, linear, out)) {
            product.prepare(activation, add);
            product.run(0, 0, linear.outputs());
        }
    }

    @Override
    public void linearPart(Tensor x, Linear linear, int first, int column, Tensor out) {
        int panel = Isthmus.ISTHMUS_PANEL();
        // The columns from n0 on are for all rows; where every row wants all of them, they make one product.
        int n0 = first == 0 ? 0 : column / panel * panel;
        try (Product product = new Product(x, linear, out)) {
            product.prepare(Activation.NONE, false);
            product.run(0, n0, linear.outputs());
            product.run(first, 0, n0);
        }
    }

    /** A linear map with its operands in the structs of isthmus.h. */
    private final class Product implements AutoCloseable {

        private final Workspaces.Workspace workspace;
        private final Linear linear;
        private final Tensor out;
        private final MemorySegment x;
        private final MemorySegment weights;
        private final MemorySegment epilogue;

        /** Borrows memory for the structs and, where weights are quantized, for x as bytes. */
        Product(Tensor x, Linear linear, Tensor out) {
            this.linear = linear;
            this.out = out;
            WeightType type = linear.weight().type();
            long rowBytes = type.isQuantized()
                    ? Isthmus.isthmus_quantized_row_bytes(NativeCodes.of(type), linear.inputs()) : 0;
            workspace = workspaces.borrow(STRUCTS + x.dim(0) * rowBytes);
            MemorySegment memory = workspace.memory();
            epilogue = memory.asSlice(isthmus_matrix.sizeof(), isthmus_epilogue.sizeof());
            weights = fill(memory, linear.weight());
            this.x = type.isQuantized() ? quantized(x, NativeCodes.of(type), memory.asSlice(STRUCTS)) : x.data();
        }

        private MemorySegment quantized(Tensor floats, int type, MemorySegment bytes) {
            Tiles.overRows(team, floats.dim(0), (t0, t1) -> check("quantize activations", Isthmus.isthmus_quantize(level,
                    floats.data(), type, bytes, linear.inputs(), t0, t1)));
            return bytes;
        }

        void prepare(Activation activation, boolean add) {
            isthmus_epilogue.out(epilogue, out.data());
            isthmus_epilogue.bias(epilogue, linear.bias() == null ? MemorySegment.NULL : linear.bias().data());
            isthmus_epilogue.activation(epilogue, NativeCodes.of(activation));
            isthmus_epilogue.store(epilogue, add ? Isthmus.ISTHMUS_ADD() : Isthmus.ISTHMUS_STORE());
        }

        /** Computes rows from {@code first} on, columns [from, to). */
        void run(int first, int from, int to) {
            int rows = (int) out.dim(0) - first;
            if (rows == 0 || from == to) {
                return;
            }
            int columns = rows <= FEW_ROWS ? FEW_ROWS_COLUMNS : COLUMNS;
            int equalParts = Math.ceilDiv(rows, Math.ceilDiv(rows, MAX_ROWS));
            int group = Isthmus.ISTHMUS_MR();
            int rowsOfTask = Math.ceilDiv(equalParts, group) * group;
            Tiles.run(team, rows, rowsOfTask, to - from, columns, (t0, t1, n0, n1) -> check("matrix product",
                    Isthmus.isthmus_matmul(level, x, weights, epilogue, first + t0, first + t1, from + n0, from + n1)));
        }

        @Override
        public void close() {
            workspace.close();
        }
    }

    @Override
    public void appendKeysAndValues(Tensor qkv, RowBatch batch, int layer) {
        NativeBatch structs = NativeBatch.of(batch);
        MemorySegment kv = structs.kv(layer);
        Tiles.run(team, batch.rows(), Tiles.appendedRows(batch.rows()), 1, 1, (t0, t1, n0, n1) ->
                check("append to the cache",
                        Isthmus.isthmus_append_kv(level, qkv.data(), structs.rows(), kv, t0, t1)));
    }

    @Override
    public void attention(Tensor qkv, RowBatch batch, int layer, float scale, int first, Tensor out) {
        NativeBatch structs = NativeBatch.of(batch);
        MemorySegment kv = structs.kv(layer);
        try (Workspaces.Workspace workspace = workspaces.borrow(isthmus_queries.sizeof())) {
            MemorySegment queries = workspace.memory();
            isthmus_queries.qkv(queries, qkv.data());
            isthmus_queries.out(queries, out.data());
            isthmus_queries.scale(queries, scale);
            Tiles.run(team, batch.rows() - first, Tiles.ATTENTION_ROWS, batch.cache(0).heads(), 1, (t0, t1, h0, h1) ->
                    check("attention", Isthmus.isthmus_attention(level, queries, structs.rows(), kv, first + t0,
                            first + t1, h0, h1)));
        }
    }

    /** Describes a matrix in a struct isthmus_matrix. */
    static MemorySegment fill(MemorySegment struct, Matrix matrix) {
        isthmus_matrix.data(struct, NativeWeights.packed(matrix).data());
        isthmus_matrix.K(struct, matrix.inputs());
        isthmus_matrix.N(struct, matrix.outputs());
        isthmus_matrix.type(struct, NativeCodes.of(matrix.type()));
        return struct;
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
