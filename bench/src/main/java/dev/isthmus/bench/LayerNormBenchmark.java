package dev.isthmus.bench;

import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.kernels.Backends;
import dev.isthmus.engine.kernels.Backend;
import dev.isthmus.engine.kernels.LayerNorm;
import dev.isthmus.engine.tensor.Shape;
import dev.isthmus.engine.tensor.Tensor;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** Layer norm over 768 channels. Checked against the reference before it is timed. */
public class LayerNormBenchmark extends KernelBenchmark {

    private static final int CHANNELS = 768;

    /** T. */
    @Param({"1", "8", "128", "512"})
    public int rows = 512;

    private LayerNorm norm;
    private Tensor x;
    private Tensor out;

    @Override
    void prepare() {
        x = Tensors.random(arena, rows, CHANNELS);
        out = backend.tensors().allocate(arena, rows, CHANNELS);
        norm = new LayerNorm(vector(), vector(), 1e-5);
        try (Backend reference = Backends.reference()) {
            int[] some = Tensors.someRows(rows);
            Tensor expected = reference.tensors().allocate(arena, some.length, CHANNELS);
            reference.kernels().layerNorm(Tensors.widened(reference, arena, x, some), norm, expected);
            backend.kernels().layerNorm(x, norm, out);
            Tensors.requireClose(out, expected, 1e-5, some);
        }
    }

    private Tensor vector() {
        Tensor row = Tensors.random(arena, 1, CHANNELS);
        return new Tensor(row.data(), row.dtype(), new Shape(CHANNELS));
    }

    /** Layer norm. */
    @Benchmark
    public void layerNorm() {
        backend.kernels().layerNorm(x, norm, out);
    }

    /** What it takes at least: mean, variance, and a multiply-add with weight and bias. */
    Work work() {
        return new Work(8.0 * rows * CHANNELS, 7.0 * rows * CHANNELS, WeightType.F32);
    }
}
