package dev.isthmus.engine.kernels;

import dev.isthmus.engine.kernels.cpu.CpuBackend;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntFunction;
import java.util.stream.Stream;

/**
 * A backend under test. The suites run on all of them: the reference, and the CPU's kernels at every level that this
 * machine has, with and without OpenBLAS.
 */
public record TestBackend(String name, IntFunction<Kernels> opener) {

    /** Whether it computes in float64. */
    public boolean isReference() {
        return name.equals("reference");
    }

    /** Opens it on so many threads. */
    public Kernels open(int threads) {
        return opener.apply(threads);
    }

    @Override
    public String toString() {
        return name;
    }

    /** The CPU's kernels as a user gets them. */
    public static TestBackend usual() {
        return new TestBackend("cpu", Backends::cpu);
    }

    public static Stream<TestBackend> all() {
        return Stream.concat(Stream.of(new TestBackend("reference", threads -> Backends.reference())),
                cpu().stream());
    }

    public static List<TestBackend> cpu() {
        List<TestBackend> backends = new ArrayList<>();
        for (CpuBackend backend : CpuBackend.all()) {
            String kernels = backend.level().map(Enum::name).orElse("JAVA");
            backends.add(new TestBackend("cpu " + kernels + (backend.openBlas() ? " + OpenBLAS" : ""),
                    backend::open));
        }
        return backends;
    }
}
