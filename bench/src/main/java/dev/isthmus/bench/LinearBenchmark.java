package dev.isthmus.bench;

import dev.isthmus.engine.config.Activation;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.kernels.Backends;
import dev.isthmus.engine.kernels.Backend;
import dev.isthmus.engine.kernels.Layout;
import dev.isthmus.engine.kernels.Linear;
import dev.isthmus.engine.kernels.Matrix;
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

/**
 * One matrix product of GPT-2 124M, with its activation. Successive calls go through copies of the weights that add up
 * to more than any cache, as the layers of a model do. The result is checked against the reference before anything is
 * timed.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
public class LinearBenchmark {

    /** The weights that successive calls go through: more than a cache holds. */
    static final long WEIGHT_BYTES = 600L << 20;

    /** T. */
    @Param({"1", "4", "8", "32", "128", "512"})
    public int rows = 1;

    /** K and N. */
    @Param("FEED_FORWARD_INPUT")
    public Gpt2Matrix matrix = Gpt2Matrix.FEED_FORWARD_INPUT;

    /** How the weights are kept. Java and OpenBLAS compute with the same values in float32. */
    @Param({"F32", "F16", "BF16", "INT8", "Q4"})
    public WeightType type = WeightType.F32;

    /** Whose kernel: own, baseline, avx2, avx512, vnni, openblas or java. */
    @Param({"own", "openblas"})
    public String product = "own";

    /** What the sums go through. */
    @Param("NONE")
    public Activation activation = Activation.NONE;

    /** Threads. */
    @Param("2")
    public int threads = 2;

    private final Arena arena = Arena.ofShared();
    private Backend backend;
    private Tensor x;
    private Tensor out;
    private Linear[] copies;
    private int next;

    /** Fills the tensors and checks one product. */
    @Setup
    public void setUp() {
        backend = KernelChoice.open(product, threads);
        x = Tensors.random(arena, rows, matrix.inputs);
        out = backend.tensors().allocate(arena, rows, matrix.outputs);
        Tensor weights = Tensors.random(arena, matrix.inputs, matrix.outputs);
        long bytes = backend.weights().matrixBytes(type, matrix.inputs, matrix.outputs);
        copies = new Linear[Math.toIntExact(Math.ceilDiv(WEIGHT_BYTES, bytes))];
        copies[0] = linear(backend, weights);
        check(weights);
        for (int i = 1; i < copies.length; i++) {
            copies[i] = copy();
        }
    }

    private Linear linear(Backend owner, Tensor weights) {
        Matrix packed = empty(owner);
        owner.weights().pack(packed, Layout.IN_OUT, weights.data(), 0, matrix.inputs, 0, matrix.outputs);
        return new Linear(packed, null);
    }

    private Matrix empty(Backend owner) {
        return owner.weights().matrix(type, Layout.IN_OUT, matrix.inputs, matrix.outputs,
                owner.weights().allocate(arena, owner.weights().matrixBytes(type, matrix.inputs, matrix.outputs)));
    }

    /** As the first, without rounding all its weights again. */
    private Linear copy() {
        Matrix copy = empty(backend);
        MatrixData.of(copy).copyFrom(MatrixData.of(copies[0].weight()));
        return new Linear(copy, null);
    }

    private void check(Tensor weights) {
        try (Backend reference = Backends.reference()) {
            int[] some = Tensors.someRows(rows);
            Tensor expected = reference.tensors().allocate(arena, some.length, matrix.outputs);
            reference.kernels().linear(Tensors.widened(reference, arena, x, some), linear(reference, weights), activation,
                    expected);
            backend.kernels().linear(x, copies[0], activation, out);
            // Activations as bytes are off by a 254th of a row's largest at most, and that at random.
            Tensors.requireClose(out, expected, type.isQuantized() ? 3e-3 * Math.sqrt(matrix.inputs) : 1e-3, some);
        }
    }

    /** The product. */
    @Benchmark
    public void linear() {
        backend.kernels().linear(x, copies[next++ % copies.length], activation, out);
    }

    /** What it takes at least. */
    Work work() {
        boolean bytes = backend.weights().packs() && type.isQuantized();
        return new Work(backend.weights().matrixBytes(type, matrix.inputs, matrix.outputs)
                        + 4.0 * rows * (matrix.inputs + matrix.outputs),
                2.0 * rows * matrix.inputs * matrix.outputs, bytes ? WeightType.INT8 : WeightType.F32);
    }

    /** Frees everything. */
    @TearDown
    public void tearDown() {
        backend.close();
        arena.close();
    }
}
