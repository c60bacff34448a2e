package dev.isthmus.engine.kernels.cuda;

import dev.isthmus.bindings.cuda.Cuda;
import dev.isthmus.engine.cache.BlockMemory;
import dev.isthmus.engine.tensor.DType;
import dev.isthmus.engine.tensor.Place;
import dev.isthmus.engine.tensor.Shape;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** The blocks of caches in the device's memory. */
final class CudaBlocks implements BlockMemory {

    private final CudaContext context;
    private final Transfers transfers;

    CudaBlocks(CudaContext context, Transfers transfers) {
        this.context = context;
        this.transfers = transfers;
    }

    @Override
    public Place place() {
        return Place.DEVICE;
    }

    @Override
    public long automaticLimit() {
        return context.device().memory() / 2;
    }

    @Override
    public Tensor allocate(Arena arena, DType type, long elements) {
        return new Tensor(context.allocateBlock(arena, elements * type.bytes()), type, new Shape(elements),
                Place.DEVICE);
    }

    @Override
    public void copy(Tensor from, Tensor to) {
        try (CudaContext.Use _ = context.enter()) {
            Status.check("copying a block of the cache", Cuda.cuMemcpyDtoDAsync_v2(to.data().address(),
                    from.data().address(), from.bytes(), context.stream()));
        }
    }

    @Override
    public void read(Tensor block, MemorySegment into) {
        try (CudaContext.Use _ = context.enter()) {
            into.copyFrom(transfers.toHost(block.data().address(), block.bytes()));
        }
    }

    @Override
    public void write(MemorySegment from, Tensor block) {
        try (CudaContext.Use _ = context.enter()) {
            transfers.toDevice(from, block.data().address());
        }
    }
}
