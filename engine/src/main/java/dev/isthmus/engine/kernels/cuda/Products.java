package dev.isthmus.engine.kernels.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import dev.isthmus.bindings.cublas.CuBlas;
import dev.isthmus.engine.config.Activation;
import dev.isthmus.engine.kernels.DeviceMatrix;
import dev.isthmus.engine.kernels.Linear;
import dev.isthmus.engine.tensor.DType;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Matrix products: for few rows a kernel of our own that reads each weight once, for more cuBLAS. Sums are float32
 * throughout and never TF32. Used by the thread that has entered the context.
 */
final class Products {

    /** {@code MATMUL_ROWS_MOST} and {@code MATMUL_ROWS_OUTPUTS} of kernels.h. */
    static final int FEW_ROWS = 8;
    static final int OUTPUTS = 8;

    static final int STORE = 0;
    static final int ADD = 1;

    /** What NVIDIA recommends on Hopper; without it cuBLAS would allocate its own while a pass is recorded. */
    private static final long WORKSPACE_BYTES = 32L << 20;

    /** The bytes that rows of results must be a multiple of: cuBLAS writes odd ones two to three times as slowly (an estimate). */
    private static final int ROW_ALIGNMENT = 16;

    /** The outputs of a matrix are padded to a multiple of it: 50257 tokens to 50304. */
    private static final int OUTPUT_MULTIPLE = 64;

    private final CudaModule kernels;
    private final Workspace unaligned;
    private final MemorySegment handle;
    private final Arena arena = Arena.ofShared();
    private final Arena workspace = Arena.ofShared();
    private final MemorySegment one = arena.allocateFrom(JAVA_FLOAT, 1);
    private final MemorySegment zero = arena.allocateFrom(JAVA_FLOAT, 0);

    /**
     * Starts cuBLAS.
     *
     * @throws dev.isthmus.engine.errors.BackendException if it cannot be used on the device
     */
    Products(CudaContext context, CudaModule kernels) {
        this.kernels = kernels;
        unaligned = new Workspace(context);
        context.onRelease(arena::close);
        try {
            MemorySegment pointer = arena.allocate(ADDRESS);
            Status.checkBlas("starting cuBLAS", CuBlas.cublasCreate_v2(pointer));
            handle = pointer.get(ADDRESS, 0);
            context.onRelease(() -> CuBlas.cublasDestroy_v2(handle()));
            Status.checkBlas("giving cuBLAS a stream", CuBlas.cublasSetStream_v2(handle, context.stream()));
            Status.checkBlas("giving cuBLAS memory", CuBlas.cublasSetWorkspace_v2(handle,
                    context.allocate(workspace, WORKSPACE_BYTES), WORKSPACE_BYTES));
            Status.checkBlas("asking cuBLAS for exact sums", CuBlas.cublasSetMathMode(handle,
                    CuBlas.CUBLAS_DEFAULT_MATH() | CuBlas.CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION()));
        } catch (Throwable failed) {
            workspace.close();
            throw failed;
        }
    }

    private MemorySegment handle() {
        return handle;
    }

    /** Counts how often memory that recorded passes use moved. */
    int generation() {
        return unaligned.generation();
    }

    /** Gives cuBLAS's memory back. */
    void close() {
        unaligned.close();
        workspace.close();
    }

    /** out = activation(x · weight + bias). */
    void store(Tensor x, Linear linear, Activation activation, Tensor out) {
        DeviceMatrix matrix = matrix(linear, x);
        if (fewRows(x)) {
            rows(x, matrix, linear.bias(), activation, STORE, out);
            return;
        }
        int outputs = matrix.outputs();
        if ((long) outputs * out.dtype().bytes() % ROW_ALIGNMENT != 0) {
            int padded = padded(outputs);
            MemorySegment rows = unaligned.reserve(out.dim(0) * padded * out.dtype().bytes());
            multiply(x, matrix, padded, zero, rows, out.dtype());
            biasAndActivation(rows, padded, linear, activation, out);
            return;
        }
        multiply(x, matrix, outputs, zero, out.data(), out.dtype());
        if (linear.bias() != null || activation != Activation.NONE) {
            biasAndActivation(out.data(), outputs, linear, activation, out);
        }
    }

    /** out = activation(y + bias) of rows y that lie {@code stride} elements apart. */
    private void biasAndActivation(MemorySegment y, int stride, Linear linear, Activation activation, Tensor out) {
        String type = Types.suffix(out.dtype());
        kernels.with(y).and(stride).and(linear.bias()).and(out).and(linear.outputs()).and(Types.code(activation))
                .launch("bias_activation_" + type + "_" + type, out.dim(0), Math.ceilDiv(out.dim(1), 1024), 1, 256);
    }

    /**
     * The outputs that a matrix's memory has room for: the last, zeros, are there to make rows of results that cuBLAS can
     * write sixteen bytes at a time.
     */
    static int padded(int outputs) {
        return Math.ceilDiv(outputs, OUTPUT_MULTIPLE) * OUTPUT_MULTIPLE;
    }

    /**
     * out += x · weight, and + bias where few rows are computed.
     *
     * @return whether the bias was added
     */
    boolean add(Tensor x, Linear linear, Tensor out) {
        DeviceMatrix matrix = matrix(linear, x);
        if (fewRows(x)) {
            rows(x, matrix, linear.bias(), Activation.NONE, ADD, out);
            return true;
        }
        multiply(x, matrix, matrix.outputs(), one, out.data(), out.dtype());
        return linear.bias() == null;
    }

    private static DeviceMatrix matrix(Linear linear, Tensor x) {
        if (!(linear.weight() instanceof DeviceMatrix matrix)) {
            throw new IllegalArgumentException("expected a matrix made by these kernels");
        }
        if (x.dtype() != matrix.weight().dtype()) {
            throw new IllegalArgumentException("linear: x: expected the weights' type " + matrix.weight().dtype()
                    + ", found " + x.dtype());
        }
        return matrix;
    }

    /** The kernel reads eight weights at a time. */
    private static boolean fewRows(Tensor x) {
        return x.dim(0) <= FEW_ROWS && x.dim(1) % 8 == 0;
    }

    private void rows(Tensor x, DeviceMatrix matrix, Tensor bias, Activation activation, int store, Tensor out) {
        kernels.with(x).and(matrix.weight()).and(bias).and(out).and((int) x.dim(0)).and(matrix.inputs())
                .and(matrix.outputs()).and(Types.code(activation)).and(store)
                .launch("matmul_rows_" + Types.suffix(x.dtype()) + "_" + Types.suffix(out.dtype()),
                        Math.ceilDiv(matrix.outputs(), OUTPUTS), 1, 1, 256);
    }

    /**
     * Computes out [T, N] = x [T, K] · weightᵀ + beta · out, which column by column is outᵀ = weight · xᵀ.
     *
     * @param outputs N, which may reach into the matrix's padding
     */
    private void multiply(Tensor x, DeviceMatrix matrix, int outputs, MemorySegment beta, MemorySegment out, DType to) {
        int rows = (int) x.dim(0);
        int type = Types.blas(x.dtype());
        DType weights = matrix.weight().dtype();
        Status.checkBlas("multiplying " + rows + " rows by a matrix of " + matrix.inputs() + " inputs and "
                + outputs + " outputs", CuBlas.cublasGemmEx(handle, CuBlas.CUBLAS_OP_T(), CuBlas.CUBLAS_OP_N(),
                        outputs, rows, matrix.inputs(), one, matrix.weight().data(), Types.blas(weights),
                        matrix.inputs(), x.data(), type, matrix.inputs(), beta, out, Types.blas(to),
                        outputs, CuBlas.CUBLAS_COMPUTE_32F(), CuBlas.CUBLAS_GEMM_DEFAULT()));
    }
}
