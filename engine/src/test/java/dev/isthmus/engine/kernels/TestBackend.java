package dev.isthmus.engine.kernels;

import dev.isthmus.bindings.NativeLibraries;
import dev.isthmus.bindings.NativeLibrary;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.errors.UnsupportedModelException;
import dev.isthmus.engine.kernels.cpu.CpuChoice;
import dev.isthmus.engine.kernels.cpu.KernelLevel;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.IntFunction;
import java.util.stream.Stream;

/**
 * A backend under test. The suites run on all of them: the reference, the CPU's kernels at every level that this
 * machine has, plain Java with and without OpenBLAS, and CUDA where there is a driver: on machines without a GPU the
 * build names the stand-in, which runs the kernels on the CPU.
 */
public record TestBackend(String name, IntFunction<Backend> opener) {

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

    /** Whether it computes on a GPU, or on the stand-in for one. */
    public boolean isCuda() {
        return name.equals("cuda");
    }

    /** Whether a row alone and in a batch may be added up in another order. */
    public boolean mayAddInAnotherOrder() {
        return mayUseOpenBlas() || isCuda();
    }

    /** Whether it computes attention of heads of so many channels. */
    public boolean takesHeads(int headChannels) {
        try (Backend opened = open(1)) {
            opened.requireHeads(headChannels);
            return true;
        } catch (UnsupportedModelException refused) {
            return false;
        }
    }

    /** Whether it keeps weights as {@code type}. */
    public boolean takesWeights(WeightType type) {
        return !isCuda() || !type.isQuantized();
    }

    /** Whether CUDA is the stand-in that runs on the CPU, too slowly for large models. */
    public static boolean isStandIn() {
        return !Backends.mayHaveGpu();
    }

    /** Opens it on so many threads. */
    public Backend open(int threads) {
        return opener.apply(threads);
    }

    @Override
    public String toString() {
        return name;
    }

    /** The CPU's kernels as a user gets them, if they are wanted. */
    public static Stream<TestBackend> usual() {
        return Stream.of(new TestBackend("cpu", Backends::cpu)).filter(backend -> isWanted(backend.name));
    }

    public static Stream<TestBackend> all() {
        return Stream.of(List.of(new TestBackend("reference", threads -> Backends.reference())), cpu(), cuda())
                .flatMap(List::stream).filter(backend -> isWanted(backend.name));
    }

    /** Whether tests shall run on a backend: on all, or on those that isthmus.test.backends names, as gpu-check does. */
    public static boolean isWanted(String name) {
        String wanted = System.getProperty("isthmus.test.backends");
        return wanted == null || List.of(wanted.split(",")).contains(name);
    }

    /** CUDA, where there is a driver: {@link CudaSuiteTest} says so where there is none. */
    public static List<TestBackend> cuda() {
        return NativeLibraries.isAvailable(NativeLibrary.CUDA)
                ? List.of(new TestBackend("cuda", threads -> Backends.cuda())) : List.of();
    }

    public static List<TestBackend> cpu() {
        List<TestBackend> backends = new ArrayList<>();
        List<Optional<KernelLevel>> levels = new ArrayList<>(List.of(Optional.empty()));
        CpuChoice.supportedLevels().forEach(level -> levels.add(Optional.of(level)));
        for (Optional<KernelLevel> level : levels) {
            String name = "cpu " + level.map(Enum::name).orElse("JAVA");
            backends.add(new TestBackend(name, new CpuChoice(level, CpuChoice.NEVER)::open));
            if (level.isEmpty() && NativeLibraries.isAvailable(NativeLibrary.OPENBLAS)) {
                backends.add(new TestBackend(name + " + OpenBLAS", new CpuChoice(level, OPEN_BLAS_ROWS)::open));
            }
        }
        return backends;
    }
}
