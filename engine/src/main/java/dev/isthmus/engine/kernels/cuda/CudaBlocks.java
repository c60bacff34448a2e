package dev.isthmus.engine.kernels.cuda;

import dev.isthmus.bindings.cuda.Cuda;
import dev.isthmus.engine.cache.BlockMemory;
import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.tensor.DType;
import dev.isthmus.engine.tensor.Place;
import dev.isthmus.engine.tensor.Shape;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** The blocks of caches in the device's memory. */
final class CudaBlocks implements BlockMemory {

    private final CudaContext context;
    private final CudaTensors tensors;
    private final Transfers transfers;

    CudaBlocks(CudaContext context, CudaTensors tensors, Transfers transfers) {
        this.context = context;
        this.tensors = tensors;
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

    /** [layers, 2, H, B, D]: keys and then values of each layer. */
    @Override
    public String layout() {
        return "device";
    }

    @Override
    public void clear(KvCache cache, MemorySegment bytes, int slot) {
        long rowBytes = (long) cache.headChannels() * cache.type().bytes();
        for (int layer = 0; layer < cache.layers(); layer++) {
            long begin = cache.layerOffset(layer) * cache.type().bytes();
            for (int head = 0; head < 2 * cache.heads(); head++) {
                long row = (long) head * KvCache.BLOCK_POSITIONS + slot;
                bytes.asSlice(begin + row * rowBytes, rowBytes).fill((byte) 0);
            }
        }
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
            // A head's keys begin where the host's do; here they lie position by position.
            tensors.read(cache.block(from / KvCache.BLOCK_POSITIONS), cache.keys(layer, head), part);
            System.arraycopy(part, 0, keys, from * d, count);
        }
        return keys;
    }
}
