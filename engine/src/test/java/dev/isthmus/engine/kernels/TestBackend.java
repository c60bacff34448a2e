package dev.isthmus.engine.kernels;

import dev.isthmus.bindings.NativeLibraries;
import dev.isthmus.bindings.NativeLibrary;
import dev.isthmus.engine.kernels.cpu.CpuBackend;
import dev.isthmus.engine.kernels.cpu.KernelLevel;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.IntFunction;
import java.util.stream.Stream;

/**
 * A backend under test. The suites run on all of them: the reference, the CPU's kernels at every level that this
 * machine has, and plain Java with and without OpenBLAS.
 */
public record TestBackend(String name, IntFunction<Kernels> opener) {

    /** Few, so that OpenBLAS is tested on small products too. */
    private static final int OPEN_BLAS_ROWS = 5;

    /** Whether it computes in float64. */
    public boolean isReference() {
        return name.equals("reference");
    }

    /** Whether OpenBLAS computes products of some numbers of rows, and adds up in another order there. */
    public boolean mayUseOpenBlas() {
        return name.endsWith("OpenBLAS");
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
        List<Optional<KernelLevel>> levels = new ArrayList<>(List.of(Optional.empty()));
        CpuBackend.supportedLevels().forEach(level -> levels.add(Optional.of(level)));
        for (Optional<KernelLevel> level : levels) {
            String name = "cpu " + level.map(Enum::name).orElse("JAVA");
            backends.add(new TestBackend(name, new CpuBackend(level, CpuBackend.NEVER)::open));
            if (level.isEmpty() && NativeLibraries.isAvailable(NativeLibrary.OPENBLAS)) {
                backends.add(new TestBackend(name + " + OpenBLAS", new CpuBackend(level, OPEN_BLAS_ROWS)::open));
            }
        }
        return backends;
    }
}
