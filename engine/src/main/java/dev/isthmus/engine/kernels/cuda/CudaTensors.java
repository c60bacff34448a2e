package dev.isthmus.engine.kernels.cuda;

import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.kernels.HostMemory;
import dev.isthmus.engine.kernels.TensorMemory;
import dev.isthmus.engine.tensor.DType;
import dev.isthmus.engine.tensor.Place;
import dev.isthmus.engine.tensor.Shape;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Objects;

/** Activations in the device's memory. Reading and writing wait for what is enqueued. */
final class CudaTensors implements TensorMemory {

    private final CudaContext context;
    private final Transfers transfers;

    CudaTensors(CudaContext context, Transfers transfers) {
        this.context = context;
        this.transfers = transfers;
    }

    @Override
    public Tensor allocate(Arena arena, long... dims) {
        return allocate(arena, DType.F32, dims);
    }

    @Override
    public Tensor allocateInputs(WeightType weights, Arena arena, long... dims) {
        return allocate(arena, Types.elements(weights), dims);
    }

    private Tensor allocate(Arena arena, DType type, long... dims) {
        Shape shape = new Shape(dims);
        MemorySegment memory = context.allocate(arena, Math.multiplyExact(shape.elements(), (long) type.bytes()));
        return new Tensor(memory, type, shape, Place.DEVICE);
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
}
