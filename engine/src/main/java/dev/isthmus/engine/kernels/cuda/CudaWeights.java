package dev.isthmus.engine.kernels.cuda;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.isthmus.bindings.DeviceMemory;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.kernels.DeviceMatrix;
import dev.isthmus.engine.kernels.HostMemory;
import dev.isthmus.engine.kernels.Layout;
import dev.isthmus.engine.kernels.Matrix;
import dev.isthmus.engine.kernels.ShapeChecks;
import dev.isthmus.engine.kernels.WeightMemory;
import dev.isthmus.engine.tensor.DType;
import dev.isthmus.engine.tensor.Place;
import dev.isthmus.engine.tensor.Shape;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Consumer;

/** Weights in the device's memory, where they are rounded and, if they lie [K, N], transposed. */
final class CudaWeights implements WeightMemory {

    private static final int TRANSPOSED_TILE = 32;

    private final CudaContext context;
    private final CudaModule kernels;
    private final CudaTensors tensors;
    private final Transfers transfers;
    private final Workspace staging;

    CudaWeights(CudaContext context, CudaModule kernels, CudaTensors tensors, Transfers transfers) {
        this.context = context;
        this.kernels = kernels;
        this.tensors = tensors;
        this.transfers = transfers;
        staging = new Workspace(context);
    }

    @Override
    public Place place() {
        return Place.DEVICE;
    }

    @Override
    public MemorySegment allocate(Arena arena, long bytes) {
        return context.allocate(arena, bytes);
    }

    @Override
    public SegmentAllocator allocator(Arena arena, long bytes) {
        long begin = allocate(arena, bytes).address();
        long[] used = {0};
        return (size, alignment) -> {
            long from = Math.ceilDiv(used[0], alignment) * alignment;
            Objects.checkFromIndexSize(from, size, bytes);
            used[0] = from + size;
            return DeviceMemory.part(begin + from, arena);
        };
    }

    /** What lies between products has one type, so all matrices have: F32 where files mix several. */
    @Override
    public Optional<WeightType> commonType(List<WeightType> types) {
        return Optional.of(types.size() == 1 ? types.getFirst() : WeightType.F32);
    }

    @Override
    public Tensor vector(MemorySegment memory, Shape shape) {
        return new Tensor(memory, DType.F32, shape, Place.DEVICE);
    }

    @Override
    public void fill(Tensor vector, Consumer<MemorySegment> source) {
        try (Arena temporary = Arena.ofConfined()) {
            MemorySegment values = temporary.allocate(vector.bytes(), Tensor.ALIGNMENT);
            source.accept(values);
            tensors.write(values, vector);
        }
    }

    /** Outputs are padded by zeros, which memory holds from the beginning. */
    @Override
    public long matrixBytes(WeightType type, int inputs, int outputs) {
        return (long) inputs * Products.padded(outputs) * Types.elements(type).bytes();
    }

    @Override
    public Matrix matrix(WeightType type, Layout layout, int inputs, int outputs, MemorySegment memory) {
        return new DeviceMatrix(type,
                new Tensor(memory, Types.elements(type), new Shape(outputs, inputs), Place.DEVICE));
    }

    @Override
    public boolean packsWholeRows() {
        return true;
    }

    @Override
    public void pack(Matrix matrix, Layout layout, MemorySegment weights, int k0, int k1, int n0, int n1) {
        ShapeChecks.pack(matrix, weights, k0, k1, n0, n1);
        if (!(matrix instanceof DeviceMatrix mine)) {
            throw new IllegalArgumentException("expected a matrix made by this backend");
        }
        try (CudaContext.Use _ = context.enter()) {
            upload(mine, layout, weights, k0, k1, n0, n1);
        }
    }

    @Override
    public void read(Matrix matrix, int first, float[] into) {
        tensors.read(((DeviceMatrix) matrix).weight(), (long) first * matrix.inputs(), into);
    }

    private void upload(DeviceMatrix matrix, Layout layout, MemorySegment weights, int k0, int k1, int n0, int n1) {
        DType type = matrix.weight().dtype();
        long rowBytes = (long) matrix.inputs() * type.bytes();
        long into = matrix.weight().data().address() + n0 * rowBytes;
        if (k1 - k0 < matrix.inputs()) {
            packRows(matrix, layout, weights, k0, k1, n0, n1, into);
        } else if (layout == Layout.OUT_IN && type == DType.F32) {
            transfers.toDevice(weights, into);
        } else {
            MemorySegment values = staging.reserve(weights.byteSize());
            transfers.toDevice(weights, values.address());
            MemorySegment target = MemorySegment.ofAddress(into);
            if (layout == Layout.OUT_IN) {
                long elements = (long) (k1 - k0) * (n1 - n0);
                kernels.with(values).and(target).and(elements)
                        .launch("convert_f32_" + Types.suffix(type), Math.ceilDiv(elements, 1024L), 1, 1, 256);
            } else {
                kernels.with(values).and(target).and(k1 - k0).and(n1 - n0)
                        .launch("transpose_f32_" + Types.suffix(type), Math.ceilDiv(n1 - n0, TRANSPOSED_TILE),
                                Math.ceilDiv(k1 - k0, TRANSPOSED_TILE), 1, TRANSPOSED_TILE, 8, 0);
            }
        }
    }

    /** A part of each output's inputs, one output after another. Loaders take whole rows, so this may be slow. */
    private void packRows(DeviceMatrix matrix, Layout layout, MemorySegment weights, int k0, int k1, int n0, int n1,
            long into) {
        DType type = matrix.weight().dtype();
        int inputs = k1 - k0;
        int outputs = n1 - n0;
        try (Arena temporary = Arena.ofConfined()) {
            MemorySegment row = temporary.allocate((long) inputs * type.bytes(), Long.BYTES);
            for (int n = 0; n < outputs; n++) {
                for (int k = 0; k < inputs; k++) {
                    long index = layout == Layout.IN_OUT ? (long) k * outputs + n : (long) n * inputs + k;
                    HostMemory.set(row, type, k, weights.get(JAVA_FLOAT_UNALIGNED, index * Float.BYTES));
                }
                transfers.toDevice(row, into + ((long) n * matrix.inputs() + k0) * type.bytes());
            }
        }
    }

    /** Frees what uploading takes; the caller has entered the context. */
    void close() {
        staging.close();
    }
}
