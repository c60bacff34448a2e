package dev.isthmus.bench;

import dev.isthmus.engine.cache.BlockPool;
import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.config.Activation;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.kernels.Kernels;
import dev.isthmus.engine.kernels.LayerNorm;
import dev.isthmus.engine.kernels.Layout;
import dev.isthmus.engine.kernels.Linear;
import dev.isthmus.engine.kernels.Passes;
import dev.isthmus.engine.kernels.RowBatch;
import dev.isthmus.engine.kernels.cuda.CudaBackend;
import dev.isthmus.engine.kernels.cuda.DeviceTimer;
import dev.isthmus.engine.model.Gpt2Weights;
import dev.isthmus.engine.tensor.Shape;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;
import java.util.function.IntConsumer;

/** Times of single operations on the GPU by its own clock, on random data. Used by one thread. */
final class GpuKernels implements AutoCloseable {

    /** The graph nodes of a decode step of 12 layers with one sequence. */
    static final int NODES = 112;

    private static final int HEADS = 12;
    private static final int HEAD_CHANNELS = 64;
    private static final int CHANNELS = HEADS * HEAD_CHANNELS;
    private static final double SCALE = 0.125;

    private final CudaBackend backend;
    private final Kernels kernels;
    private final DeviceTimer timer;

    GpuKernels(CudaBackend backend) {
        this.backend = backend;
        kernels = backend.kernels();
        timer = backend.newTimer();
    }

    /** Milliseconds for a graph of {@link #NODES} kernels that each do next to nothing. */
    double emptyGraph() {
        try (Arena arena = Arena.ofShared()) {
            Tensor number = backend.tensors().allocate(arena, 1, 1);
            Tensor parameter = backend.weights().vector(backend.weights().allocate(arena, Float.BYTES), new Shape(1));
            LayerNorm norm = new LayerNorm(parameter, parameter, 1);
            return graph(arena, NODES, i -> kernels.layerNorm(number, norm, number));
        }
    }

    /**
     * Milliseconds for one of an operation, in a graph of 100. Each takes the next layer's weights, as a decode step
     * does, so that they come from memory and not from the cache.
     *
     * @param operation one of {@code norm}, {@code qkv}, {@code projection}, {@code inner}, {@code outer}, {@code head}
     */
    double decodeKernel(GpuModel model, String operation) {
        Gpt2Weights weights = model.weights();
        WeightType type = weights.head().weight().type();
        int c = model.config().channels();
        try (Arena arena = Arena.ofShared()) {
            Tensor x = backend.tensors().allocate(arena, 1, c);
            Tensor h = inputs(arena, type, 1, c);
            Tensor qkv = inputs(arena, type, 1, 3 * c);
            Tensor inner = inputs(arena, type, 1, model.config().inner());
            Tensor logits = backend.tensors().allocate(arena, 1, model.config().vocabulary());
            return graph(arena, 100, i -> {
                Gpt2Weights.Block block = weights.blocks().get(i % weights.blocks().size());
                switch (operation) {
                    case "norm" -> kernels.layerNorm(x, block.attentionNorm(), h);
                    case "qkv" -> kernels.linear(h, block.attentionInput(), Activation.NONE, qkv);
                    case "projection" -> kernels.linearAdd(h, block.attentionOutput(), x);
                    case "inner" -> kernels.linear(h, block.feedForwardInput(), model.config().activation(), inner);
                    case "outer" -> kernels.linearAdd(inner, block.feedForwardOutput(), x);
                    case "head" -> kernels.linear(h, weights.head(), Activation.NONE, logits);
                    default -> throw new IllegalArgumentException("no such operation: " + operation);
                }
            }) / 100;
        }
    }

    /** Milliseconds to append one row to a cache of {@code positions} and attend to it, in a graph of 100. */
    double decodeAttention(int positions) {
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = filled(arena, positions);
            RowBatch row = new RowBatch(arena);
            row.add(cache, new int[1], 0, 1);
            Tensor qkv = inputs(arena, WeightType.BF16, 1, 3 * CHANNELS);
            Tensor out = inputs(arena, WeightType.BF16, 1, CHANNELS);
            return graph(row, 100, i -> kernels.appendAndAttend(qkv, row, 0, SCALE, 0, out)) / 100;
        }
    }

    private double graph(Arena arena, int count, IntConsumer operation) {
        KvCache cache = cache(arena, 1);
        RowBatch row = new RowBatch(arena);
        row.add(cache, new int[1], 0, 1);
        return graph(row, count, operation);
    }

    /** Runs operations as they are, records them, and times the recording. */
    private double graph(RowBatch row, int count, IntConsumer operation) {
        try (Passes passes = backend.newPasses()) {
            Runnable all = () -> {
                for (int i = 0; i < count; i++) {
                    operation.accept(i);
                }
            };
            passes.run(row, row.allRows(), false, all);
            passes.run(row, row.allRows(), false, all);
            return timer.milliseconds(() -> passes.run(row, row.allRows(), false, all));
        }
    }

    /**
     * Milliseconds of cuBLAS for out [64, N] += x [64, 768] · w, 20 calls between two events. Rows of 50257 floats are not
     * aligned, those of 50304 are.
     */
    double product(int outputs) {
        try (Arena arena = Arena.ofShared()) {
            MemorySegment memory = backend.weights().allocate(arena,
                    backend.weights().matrixBytes(WeightType.BF16, CHANNELS, outputs));
            Linear linear = new Linear(backend.weights().matrix(WeightType.BF16, Layout.OUT_IN, CHANNELS, outputs, memory),
                    null);
            Tensor x = inputs(arena, WeightType.BF16, 64, CHANNELS);
            Tensor out = backend.tensors().allocate(arena, 64, outputs);
            return repeated(() -> kernels.linearAdd(x, linear, out));
        }
    }

    /** Milliseconds of the attention kernel alone, causal, 12 heads of 64 channels, 20 launches between two events. */
    double attention(int rows) {
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = cache(arena, rows);
            RowBatch all = new RowBatch(arena);
            all.add(cache, new int[rows], 0, rows);
            Tensor q = inputs(arena, WeightType.BF16, rows, CHANNELS);
            Tensor out = inputs(arena, WeightType.BF16, rows, CHANNELS);
            kernels.appendKeysAndValues(inputs(arena, WeightType.BF16, rows, 3 * CHANNELS), all, 0);
            return repeated(() -> backend.attend(q, all, 0, SCALE, out));
        }
    }

    private double repeated(Runnable work) {
        work.run();
        return timer.milliseconds(() -> {
            for (int i = 0; i < 20; i++) {
                work.run();
            }
        }) / 20;
    }

    private KvCache cache(Arena arena, int positions) {
        return new KvCache(1, HEADS, HEAD_CHANNELS, positions, backend.cacheTypes(WeightType.BF16).getFirst(),
                BlockPool.in(backend.blocks(), arena));
    }

    /** A cache with random keys and values, and room for one more. */
    private KvCache filled(Arena arena, int positions) {
        KvCache cache = cache(arena, positions + 1);
        RowBatch all = new RowBatch(arena);
        all.add(cache, new int[positions], 0, positions);
        kernels.appendKeysAndValues(inputs(arena, WeightType.BF16, positions, 3 * CHANNELS), all, 0);
        all.commit();
        return cache;
    }

    /** Random numbers in [-2, 2): zeros would draw less power, and run faster. */
    private Tensor inputs(Arena arena, WeightType type, int rows, int columns) {
        Tensor tensor = backend.tensors().allocateInputs(type, arena, rows, columns);
        try (Arena temporary = Arena.ofConfined()) {
            SplittableRandom random = new SplittableRandom(rows + columns);
            long count = (long) rows * columns;
            MemorySegment values = temporary.allocate(ValueLayout.JAVA_FLOAT, count);
            for (long i = 0; i < count; i++) {
                values.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) random.nextDouble(-2, 2));
            }
            backend.tensors().write(values, tensor);
        }
        return tensor;
    }

    @Override
    public void close() {
        timer.close();
    }
}
