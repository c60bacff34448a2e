package dev.isthmus.bench;

import dev.isthmus.engine.config.Activation;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.kernels.Backends;
import dev.isthmus.engine.kernels.Kernels;
import dev.isthmus.engine.kernels.Layout;
import dev.isthmus.engine.kernels.Linear;
import dev.isthmus.engine.kernels.Matrix;
import dev.isthmus.engine.kernels.cpu.CpuBackend;
import dev.isthmus.engine.tensor.DType;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.Optional;
import java.util.SplittableRandom;
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
 * One matrix product of a GPT-2 124M layer, weights [in, out]. Successive calls go through copies of the weights that
 * add up to more than any cache, as the layers of a model do. The result is checked against the reference before
 * anything is timed.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
public class LinearBenchmark {

    private static final long WEIGHT_BYTES = 600L << 20;

    /** T. */
    @Param({"1", "4", "8", "16", "32", "128", "512"})
    public int rows;

    /** K and N. */
    @Param({"768x2304", "768x768", "768x3072", "3072x768"})
    public String shape;

    /** Whose kernel. */
    @Param({"own", "openblas"})
    public String product;

    /** Threads. */
    @Param("2")
    public int threads;

    private final Arena arena = Arena.ofShared();
    private Kernels kernels;
    private Tensor x;
    private Tensor out;
    private Linear[] copies;
    private int next;

    /** Fills the tensors and checks one product. */
    @Setup
    public void setUp() {
        String[] sizes = shape.split("x");
        int inputs = Integer.parseInt(sizes[0]);
        int outputs = Integer.parseInt(sizes[1]);
        kernels = (product.equals("openblas") ? new CpuBackend(Optional.empty(), 1) : CpuBackend.choose()).open(threads);
        x = random(DType.F32, rows, inputs);
        out = kernels.allocate(arena, rows, outputs);
        Tensor weights = random(DType.F32, inputs, outputs);
        copies = new Linear[(int) (WEIGHT_BYTES / weights.data().byteSize())];
        for (int i = 0; i < copies.length; i++) {
            copies[i] = linear(kernels, weights);
        }
        check(weights);
    }

    private Linear linear(Kernels kernels, Tensor weights) {
        int inputs = (int) weights.dim(0);
        int outputs = (int) weights.dim(1);
        Matrix matrix = kernels.matrix(WeightType.F32, Layout.IN_OUT, inputs, outputs,
                kernels.allocateWeights(arena, kernels.matrixBytes(WeightType.F32, inputs, outputs)));
        kernels.pack(matrix, Layout.IN_OUT, weights.data(), 0, inputs, 0, outputs);
        return new Linear(matrix, null);
    }

    private void check(Tensor weights) {
        try (Kernels reference = Backends.reference()) {
            Linear linear = linear(reference, weights);
            Tensor wide = reference.allocate(arena, rows, linear.inputs());
            for (long i = 0; i < wide.shape().elements(); i++) {
                wide.data().setAtIndex(ValueLayout.JAVA_DOUBLE, i, x.data().getAtIndex(ValueLayout.JAVA_FLOAT, i));
            }
            Tensor expected = reference.allocate(arena, rows, linear.outputs());
            reference.linear(wide, linear, Activation.NONE, expected);
            kernels.linear(x, copies[0], Activation.NONE, out);
            for (long i = 0; i < out.shape().elements(); i++) {
                double error = Math.abs(expected.data().getAtIndex(ValueLayout.JAVA_DOUBLE, i)
                        - out.data().getAtIndex(ValueLayout.JAVA_FLOAT, i));
                if (!(error < 1e-3)) {
                    throw new IllegalStateException("element " + i + " is off by " + error);
                }
            }
        }
    }

    private Tensor random(DType type, long... dims) {
        SplittableRandom random = new SplittableRandom(1);
        Tensor tensor = Tensor.allocate(arena, type, dims);
        for (long i = 0; i < tensor.shape().elements(); i++) {
            tensor.data().setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) (random.nextDouble() - 0.5));
        }
        return tensor;
    }

    /** The product. */
    @Benchmark
    public void linear() {
        kernels.linear(x, copies[next++ % copies.length], Activation.NONE, out);
    }

    /** Frees everything. */
    @TearDown
    public void tearDown() {
        kernels.close();
        arena.close();
    }
}
