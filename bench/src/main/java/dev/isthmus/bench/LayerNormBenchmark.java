package dev.isthmus.bench;

import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.kernels.Backends;
import dev.isthmus.engine.kernels.Kernels;
import dev.isthmus.engine.kernels.LayerNorm;
import dev.isthmus.engine.tensor.Shape;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/** Layer norm over 768 channels. Checked against the reference before it is timed. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
public class LayerNormBenchmark {

    private static final int CHANNELS = 768;

    /** T. */
    @Param({"1", "8", "128", "512"})
    public int rows = 512;

    /** Whose kernel: own, a level, or java. */
    @Param("own")
    public String product = "own";

    /** Threads. */
    @Param("2")
    public int threads = 2;

    private final Arena arena = Arena.ofShared();
    private Kernels kernels;
    private LayerNorm norm;
    private Tensor x;
    private Tensor out;

    /** Fills the tensors and checks the result. */
    @Setup
    public void setUp() {
        kernels = KernelChoice.open(product, threads);
        x = Tensors.random(arena, rows, CHANNELS);
        out = kernels.allocate(arena, rows, CHANNELS);
        norm = new LayerNorm(vector(), vector(), 1e-5);
        try (Kernels reference = Backends.reference()) {
            int[] some = Tensors.someRows(rows);
            Tensor expected = reference.allocate(arena, some.length, CHANNELS);
            reference.layerNorm(Tensors.widened(reference, arena, x, some), norm, expected);
            kernels.layerNorm(x, norm, out);
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
        kernels.layerNorm(x, norm, out);
    }

    /** What it takes at least: mean, variance, and a multiply-add with weight and bias. */
    Work work() {
        return new Work(8.0 * rows * CHANNELS, 7.0 * rows * CHANNELS, WeightType.F32);
    }

    /** Frees everything. */
    @TearDown
    public void tearDown() {
        kernels.close();
        arena.close();
    }
}
