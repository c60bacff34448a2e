package dev.isthmus.bench;

import dev.isthmus.engine.kernels.Backends;
import dev.isthmus.engine.kernels.Kernels;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
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

/** Softmax over a row of 50,257 logits. Each call overwrites its row, which costs a copy. Checked before it is timed. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
public class SoftmaxBenchmark {

    private static final int VOCABULARY = 50_257;

    /** T. */
    @Param({"1", "8"})
    public int rows = 1;

    /** Whose kernel: own, a level, or java. */
    @Param("own")
    public String product = "own";

    /** Threads. */
    @Param("2")
    public int threads = 2;

    private final Arena arena = Arena.ofShared();
    private Kernels kernels;
    private Tensor logits;
    private Tensor x;

    /** Fills the tensors and checks the result. */
    @Setup
    public void setUp() {
        kernels = KernelChoice.open(product, threads);
        logits = Tensors.random(arena, rows, VOCABULARY);
        x = kernels.allocate(arena, rows, VOCABULARY);
        try (Kernels reference = Backends.reference()) {
            Tensor expected = Tensors.widened(reference, arena, logits, Tensors.someRows(rows));
            reference.softmax(expected);
            softmax();
            Tensors.requireClose(x, expected, 1e-10, Tensors.someRows(rows));
        }
    }

    /** Softmax. */
    @Benchmark
    public void softmax() {
        MemorySegment.copy(logits.data(), 0, x.data(), 0, x.data().byteSize());
        kernels.softmax(x);
    }

    /** Frees everything. */
    @TearDown
    public void tearDown() {
        kernels.close();
        arena.close();
    }
}
