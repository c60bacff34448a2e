package dev.isthmus.bench;

import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.kernels.Backends;
import dev.isthmus.engine.kernels.Backend;
import dev.isthmus.engine.kernels.Layout;
import dev.isthmus.engine.kernels.Matrix;
import dev.isthmus.engine.kernels.RowBatch;
import dev.isthmus.engine.tensor.DType;
import dev.isthmus.engine.tensor.Tensor;
import java.util.SplittableRandom;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** Looking up tokens in GPT-2's embedding of 50,257 tokens. Checked against the reference before it is timed. */
public class EmbeddingBenchmark extends KernelBenchmark {

    private static final int VOCABULARY = 50_257;
    private static final int CONTEXT = 1024;
    private static final int CHANNELS = 768;

    /** T. */
    @Param({"1", "8", "512"})
    public int rows = 1;

    /** How the embedding is kept. */
    @Param({"F32", "F16", "BF16", "INT8", "Q4"})
    public WeightType type = WeightType.F32;

    private Matrix tokens;
    private Tensor positions;
    private RowBatch batch;
    private Tensor x;

    @Override
    void prepare() {
        Tensor weights = Tensors.random(arena, VOCABULARY, CHANNELS);
        positions = Tensors.random(arena, CONTEXT, CHANNELS);
        tokens = matrix(backend, weights);
        batch = new RowBatch(arena);
        batch.add(new KvCache(1, 1, 1, CONTEXT, DType.F32, arena),
                new SplittableRandom(1).ints(rows, 0, VOCABULARY).toArray(), 0, rows);
        x = backend.tensors().allocate(arena, rows, CHANNELS);
        try (Backend reference = Backends.reference()) {
            Tensor expected = reference.tensors().allocate(arena, rows, CHANNELS);
            reference.kernels().embedding(matrix(reference, weights), positions, batch, expected);
            backend.kernels().embedding(tokens, positions, batch, x);
            Tensors.requireClose(x, expected, 1e-6, batch.allRows());
        }
    }

    private Matrix matrix(Backend owner, Tensor weights) {
        Matrix matrix = owner.weights().matrix(type, Layout.OUT_IN, CHANNELS, VOCABULARY,
                owner.weights().allocate(arena, owner.weights().matrixBytes(type, CHANNELS, VOCABULARY)));
        owner.weights().pack(matrix, Layout.OUT_IN, weights.data(), 0, CHANNELS, 0, VOCABULARY);
        return matrix;
    }

    /** The look-up. */
    @Benchmark
    public void embedding() {
        backend.kernels().embedding(tokens, positions, batch, x);
    }
}
