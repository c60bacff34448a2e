package dev.isthmus.engine.kernels.reference;

import dev.isthmus.engine.cache.BlockMemory;
import dev.isthmus.engine.config.KernelKind;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.kernels.Backend;
import dev.isthmus.engine.kernels.Kernels;
import dev.isthmus.engine.kernels.PlainWeights;
import dev.isthmus.engine.kernels.TensorMemory;
import dev.isthmus.engine.kernels.WeightMemory;
import dev.isthmus.engine.tensor.DType;
import java.util.List;

/** The oracle's memory, float64 in the process's own, and its kernels. */
public final class ReferenceBackend implements Backend {

    private final TensorMemory tensors = TensorMemory.host(ReferenceKernels.TYPE);
    private final Kernels kernels = new ReferenceKernels();

    @Override
    public String description() {
        return "reference: plain Java, float64";
    }

    @Override
    public KernelKind kind() {
        return KernelKind.REFERENCE;
    }

    @Override
    public Kernels kernels() {
        return kernels;
    }

    @Override
    public TensorMemory tensors() {
        return tensors;
    }

    @Override
    public WeightMemory weights() {
        return PlainWeights.INSTANCE;
    }

    @Override
    public BlockMemory blocks() {
        return BlockMemory.HOST;
    }

    @Override
    public List<DType> cacheTypes(WeightType weights) {
        return ReferenceKernels.CACHE_TYPES;
    }

    @Override
    public boolean isBatchInvariant() {
        return true;
    }

    @Override
    public void close() {}
}
