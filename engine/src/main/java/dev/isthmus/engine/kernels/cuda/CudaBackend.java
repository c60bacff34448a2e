package dev.isthmus.engine.kernels.cuda;

import dev.isthmus.engine.cache.BlockMemory;
import dev.isthmus.engine.config.KernelKind;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.kernels.Backend;
import dev.isthmus.engine.kernels.Kernels;
import dev.isthmus.engine.kernels.Passes;
import dev.isthmus.engine.kernels.RowBatch;
import dev.isthmus.engine.kernels.TensorMemory;
import dev.isthmus.engine.kernels.TokenChooser;
import dev.isthmus.engine.kernels.WeightMemory;
import dev.isthmus.engine.tensor.DType;
import dev.isthmus.engine.tensor.Tensor;
import java.util.List;
import java.util.Optional;

/**
 * An NVIDIA GPU: its memory, our kernels and cuBLAS. The residual stream and logits are float32; what products read and
 * the cache are of the weights' type, F32, F16 or BF16.
 *
 * <p>Several threads may use one instance; one at a time enqueues.
 */
public final class CudaBackend implements Backend {

    private final CudaContext context;
    private final Transfers transfers;
    private final CudaKernels kernels;
    private final CudaTensors tensors;
    private final CudaWeights weights;
    private final TokenChoice tokens;
    private boolean closed;

    /**
     * Opens a device.
     *
     * @throws dev.isthmus.engine.errors.BackendException if it cannot be used
     */
    public CudaBackend(CudaDevice device) {
        context = new CudaContext(device);
        try (CudaContext.Use _ = context.enter()) {
            CudaModule module = new CudaModule(context);
            transfers = new Transfers(context);
            kernels = new CudaKernels(context, module, transfers);
            tensors = new CudaTensors(context, transfers);
            weights = new CudaWeights(context, module, tensors, transfers);
            tokens = new TokenChoice(context, module, transfers);
        } catch (Throwable failed) {
            context.close();
            throw failed;
        }
    }

    @Override
    public String description() {
        return "cuda: " + context.device().name();
    }

    @Override
    public KernelKind kind() {
        return KernelKind.CUDA;
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
        return weights;
    }

    @Override
    public BlockMemory blocks() {
        return new CudaBlocks(context, tensors, transfers);
    }

    @Override
    public List<DType> cacheTypes(WeightType weights) {
        return List.of(Types.elements(weights));
    }

    @Override
    public Optional<TokenChooser> tokenChooser() {
        return Optional.of(tokens);
    }

    /** Few rows are computed by other kernels than many. */
    @Override
    public boolean isBatchInvariant() {
        return false;
    }

    @Override
    public void requireHeads(int headChannels) {
        CudaAttention.requireHeads(headChannels);
    }

    /** Whole prompts of GPT-2: two passes of 512 rows leave a GPU idler than one of 1024, and launch twice as much. */
    @Override
    public int maxChunkRows() {
        return 2048;
    }

    @Override
    public Passes newPasses() {
        return new CudaPasses(kernels, context);
    }

    /**
     * Computes attention alone; for benchmarks.
     *
     * @param q the queries [T, C], whose keys and values are in the caches
     * @param out [T, C], which may be q
     */
    public void attend(Tensor q, RowBatch batch, int layer, double scale, Tensor out) {
        kernels.attend(q, batch, layer, scale, out);
    }

    /** Times what is enqueued here. */
    public DeviceTimer newTimer() {
        return new DeviceTimer(context);
    }

    @Override
    public void close() {
        try (CudaContext.Use _ = context.enter()) {
            if (closed) {
                return;
            }
            closed = true;
            weights.close();
            tokens.close();
            kernels.close();
            transfers.close();
        }
        context.close();
    }
}
