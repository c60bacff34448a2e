package dev.isthmus.bench;

import dev.isthmus.bindings.isthmus.Isthmus;
import java.lang.foreign.Linker;
import java.lang.invoke.MethodHandle;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What it costs to call C: a function that only returns a number, through jextract's binding, the same as a critical
 * call (which may not last long, since it holds up the garbage collector), and a method of Java for comparison.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
public class DowncallBenchmark {

    private static final MethodHandle CRITICAL = Linker.nativeLinker().downcallHandle(
            Isthmus.isthmus_abi_version$address(), Isthmus.isthmus_abi_version$descriptor(),
            Linker.Option.critical(false));

    /** Checks that all three answer alike. */
    @Setup
    public void setUp() throws Throwable {
        if (java() != binding() || java() != critical()) {
            throw new IllegalStateException("the calls answer " + binding() + " and " + critical());
        }
    }

    /** No call of C. */
    @Benchmark
    public int java() {
        return Isthmus.ISTHMUS_ABI_VERSION();
    }

    /** As the engine calls. */
    @Benchmark
    public int binding() {
        return Isthmus.isthmus_abi_version();
    }

    /** A critical call. */
    @Benchmark
    public int critical() throws Throwable {
        return (int) CRITICAL.invokeExact();
    }
}
