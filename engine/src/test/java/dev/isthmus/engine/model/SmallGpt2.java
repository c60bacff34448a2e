package dev.isthmus.engine.model;

import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.config.Activation;
import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.kernels.Backend;
import dev.isthmus.engine.kernels.LayerNorm;
import dev.isthmus.engine.kernels.Layout;
import dev.isthmus.engine.kernels.Linear;
import dev.isthmus.engine.kernels.Matrix;
import dev.isthmus.engine.kernels.RowBatch;
import dev.isthmus.engine.kernels.TestBackend;
import dev.isthmus.engine.kernels.TestTensors;
import dev.isthmus.engine.tensor.DType;
import dev.isthmus.engine.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** A GPT-2 of three layers with pseudo-random weights in memory, the same for every backend. */
final class SmallGpt2 implements AutoCloseable {

    static final int LAYERS = 3;
    static final int VOCABULARY = 97;
    static final int CONTEXT = 150;

    /** Of odd sizes, and one of a head size that CUDA has kernels for. */
    private static final Gpt2Config ODD = config(4, 36);
    private static final Gpt2Config EVEN = config(2, 64);

    final Backend backend;
    final TestTensors tensors;
    final Gpt2Forward forward;
    final Scratch scratch;
    final RowBatch batch;
    private final Gpt2Config config;
    private final WeightType type;

    SmallGpt2(TestBackend backend, int threads) {
        this(backend.open(threads), backend.isCuda(), WeightType.F32, Optional.empty());
    }

    private static Gpt2Config config(int heads, int channels) {
        return new Gpt2Config(LAYERS, heads, channels, 70, CONTEXT, VOCABULARY, 1e-5, Activation.GELU_TANH, true, false, true,
                List.of());
    }

    /**
     * On a backend that it closes.
     *
     * @param even whether the heads' size is one that CUDA takes
     * @param cacheType empty for the backend's usual one
     */
    SmallGpt2(Backend opened, boolean even, WeightType type, Optional<DType> cacheType) {
        this.backend = opened;
        this.type = type;
        config = even ? EVEN : ODD;
        tensors = new TestTensors(opened, 11);
        batch = new RowBatch(tensors.arena());
        List<Gpt2Weights.Block> blocks = new ArrayList<>();
        int c = config.channels();
        for (int layer = 0; layer < config.layers(); layer++) {
            blocks.add(new Gpt2Weights.Block(norm(), linear(c, 3 * c), linear(c, c), norm(),
                    linear(c, config.inner()), linear(config.inner(), c)));
        }
        Matrix wte = tensors.matrix(type, Layout.OUT_IN, c, config.vocabulary(),
                tensors.values(config.vocabulary() * c, 1));
        forward = new Gpt2Forward(config, new Gpt2Weights(wte, weight(1, config.context(), c), blocks, norm(),
                new Linear(wte, null), List.of(), 0), opened, cacheType.orElse(opened.cacheTypes(type).getFirst()));
        scratch = forward.newScratch();
    }

    private LayerNorm norm() {
        return new LayerNorm(weight(2, config.channels()), weight(1, config.channels()), config.epsilon());
    }

    private Linear linear(int inputs, int outputs) {
        return new Linear(tensors.matrix(type, Layout.IN_OUT, inputs, outputs,
                tensors.values(inputs * outputs, 0.5)), weight(0.5, outputs));
    }

    private Tensor weight(double scale, long... dims) {
        long elements = 1;
        for (long dim : dims) {
            elements *= dim;
        }
        return tensors.weight(tensors.values((int) elements, scale), dims);
    }

    KvCache newCache() {
        return forward.newCache(tensors.arena());
    }

    /** The logits of all rows of ids[from, to) behind what the cache holds. */
    double[] logits(KvCache cache, int[] ids, int from, int to) {
        batch.clear();
        batch.add(cache, ids, from, to);
        return tensors.doubles(forward.forward(batch, batch.allRows(), scratch, LayerProbe.NONE));
    }

    static int[] ids(int count, int seed) {
        int[] ids = new int[count];
        for (int i = 0; i < count; i++) {
            ids[i] = (31 * i * i + 7 * i + seed) % VOCABULARY;
        }
        return ids;
    }

    @Override
    public void close() {
        scratch.close();
        backend.close();
        tensors.close();
    }
}
