package dev.isthmus.bench;

import dev.isthmus.engine.kernels.Backend;
import java.lang.foreign.Arena;
import java.util.concurrent.TimeUnit;
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

/** What the benchmarks of one kernel have in common: whose it is, and memory that lives as long as they. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
public abstract class KernelBenchmark {

    /** Whose kernel: own, a level, or java. */
    @Param("own")
    public String product = "own";

    /** Threads. */
    @Param("2")
    public int threads = 2;

    final Arena arena = Arena.ofShared();
    Backend backend;

    /** Starts the backend, fills the tensors and checks the result. */
    @Setup
    public void setUp() {
        backend = KernelChoice.open(product, threads);
        prepare();
    }

    /** Fills the tensors and checks the result. */
    abstract void prepare();

    /** Frees everything. */
    @TearDown
    public void tearDown() {
        backend.close();
        arena.close();
    }
}
