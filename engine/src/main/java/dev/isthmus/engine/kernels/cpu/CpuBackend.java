package dev.isthmus.engine.kernels.cpu;

import dev.isthmus.engine.cache.BlockMemory;
import dev.isthmus.engine.config.KernelKind;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.kernels.Backend;
import dev.isthmus.engine.kernels.Kernels;
import dev.isthmus.engine.kernels.TensorMemory;
import dev.isthmus.engine.kernels.WeightMemory;
import dev.isthmus.engine.tensor.DType;
import java.util.List;

/** The CPU: float32 activations in the process's own memory, and a {@link WorkerTeam} that shares the operations out. */
public final class CpuBackend implements Backend {

    private final CpuOps ops;
    private final WorkerTeam team;
    private final TensorMemory tensors = TensorMemory.host(CpuKernels.TYPE);
    private final Kernels kernels;

    /**
     * Puts a backend together, which closes both.
     *
     * @param ops the operations
     * @param team the threads that {@code ops} share their work out to
     */
    CpuBackend(CpuOps ops, WorkerTeam team) {
        this.ops = ops;
        this.team = team;
        kernels = new CpuKernels(ops);
    }

    @Override
    public String description() {
        return "cpu: " + ops.description() + ", " + team.size() + (team.size() == 1 ? " thread" : " threads");
    }

    @Override
    public KernelKind kind() {
        return ops.kind();
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
        return ops.weights();
    }

    @Override
    public BlockMemory blocks() {
        return BlockMemory.HOST;
    }

    @Override
    public List<DType> cacheTypes(WeightType weights) {
        return CpuKernels.CACHE_TYPES;
    }

    @Override
    public boolean isBatchInvariant() {
        return ops.isBatchInvariant();
    }

    @Override
    public long workspaceBytes() {
        return ops.workspaceBytes();
    }

    @Override
    public void releaseIdle() {
        ops.releaseIdle();
    }

    @Override
    public void close() {
        team.close();
        ops.close();
    }
}
