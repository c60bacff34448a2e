package dev.isthmus.engine.kernels.cpu;

import dev.isthmus.bindings.isthmus.Isthmus;
import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.config.Activation;
import dev.isthmus.engine.errors.BackendException;
import dev.isthmus.engine.kernels.Layout;
import dev.isthmus.engine.kernels.RowBatch;
import java.lang.foreign.MemorySegment;

/** The operations in C: libisthmus at one of its instruction-set levels. */
final class NativeOps implements CpuOps {

    private final int level;

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
    }

    @Override
    public String description() {
        return "libisthmus (" + KernelLevel.of(level) + ")";
    }

    @Override
    public void embedding(MemorySegment wte, MemorySegment wpe, RowBatch batch, MemorySegment x, long vocabulary,
            long positions, long channels, long t0, long t1) {
        check("embedding", Isthmus.isthmus_embedding(level, wte, wpe, batch.tokens(), batch.positions(), x, vocabulary,
                positions, channels, t0, t1));
    }

    @Override
    public void layerNorm(MemorySegment x, MemorySegment weight, MemorySegment bias, MemorySegment out, long channels,
            double epsilon, long t0, long t1) {
        check("layer norm", Isthmus.isthmus_layer_norm(level, x, weight, bias, out, channels, epsilon, t0, t1));
    }

    @Override
    public void biasActivation(MemorySegment x, MemorySegment bias, Activation activation, long rows, long outputs,
            long n0, long n1) {
        int function = switch (activation) {
            case NONE -> Isthmus.ISTHMUS_ACT_NONE();
            case GELU_TANH -> Isthmus.ISTHMUS_ACT_GELU_TANH();
            case GELU_ERF -> Isthmus.ISTHMUS_ACT_GELU_ERF();
            case RELU -> Isthmus.ISTHMUS_ACT_RELU();
        };
        check("bias and activation", Isthmus.isthmus_bias_activation(level, x,
                bias == null ? MemorySegment.NULL : bias, function, rows, outputs, n0, n1));
    }

    @Override
    public void residualAdd(MemorySegment x, MemorySegment y, long channels, long t0, long t1) {
        check("residual add", Isthmus.isthmus_residual_add(level, x, y, channels, t0, t1));
    }

    @Override
    public void matmul(MemorySegment x, MemorySegment w, MemorySegment out, Layout layout, long rows, long inputs,
            long outputs, long n0, long n1) {
        int code = switch (layout) {
            case IN_OUT -> Isthmus.ISTHMUS_LAYOUT_IN_OUT();
            case OUT_IN -> Isthmus.ISTHMUS_LAYOUT_OUT_IN();
        };
        check("matrix product", Isthmus.isthmus_matmul(level, x, w, out, code, rows, inputs, outputs, n0, n1));
    }

    @Override
    public void softmax(MemorySegment x, long columns, long t0, long t1) {
        check("softmax", Isthmus.isthmus_softmax(level, x, columns, t0, t1));
    }

    @Override
    public void appendKeysAndValues(MemorySegment qkv, RowBatch batch, int layer, long t0, long t1) {
        KvCache cache = batch.cache(0);
        check("append to the cache", Isthmus.isthmus_append_kv(level, qkv, batch.positions(), batch.sequences(),
                batch.blocks(), batch.blockStart(), KvCache.BLOCK_POSITIONS, cache.layerOffset(layer), cache.heads(),
                cache.headChannels(), t0, t1));
    }

    @Override
    public void attention(MemorySegment qkv, MemorySegment out, RowBatch batch, int layer, float scale, long t0,
            long t1, long h0, long h1) {
        KvCache cache = batch.cache(0);
        check("attention", Isthmus.isthmus_attention(level, qkv, out, batch.positions(), batch.sequences(),
                batch.blocks(), batch.blockStart(), KvCache.BLOCK_POSITIONS, cache.layerOffset(layer), cache.heads(),
                cache.headChannels(), scale, t0, t1, h0, h1));
    }

    private static void check(String operation, int status) {
        if (status != Isthmus.ISTHMUS_OK()) {
            throw new BackendException(operation + ": libisthmus refused the arguments (status " + status
                    + "); this is a defect of the engine, please report it");
        }
    }
}
