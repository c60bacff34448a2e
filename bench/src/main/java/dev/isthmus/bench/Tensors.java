package dev.isthmus.bench;

import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import dev.isthmus.engine.kernels.Backend;
import dev.isthmus.engine.tensor.DType;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.SplittableRandom;

/** What the benchmarks compute on, and how they check what they time against the reference backend. */
final class Tensors {

    private Tensors() {}

    /** F32, uniform in [−0.5, 0.5). */
    static Tensor random(Arena arena, long... dims) {
        SplittableRandom random = new SplittableRandom(1);
        Tensor tensor = Tensor.allocate(arena, DType.F32, dims);
        for (long i = 0; i < tensor.shape().elements(); i++) {
            tensor.data().setAtIndex(JAVA_FLOAT, i, (float) (random.nextDouble() - 0.5));
        }
        return tensor;
    }

    /** The first, a middle and the last row. */
    static int[] someRows(int rows) {
        return new int[] {0, rows / 2, rows - 1};
    }

    /** Some rows as the reference kernels take them. */
    static Tensor widened(Backend reference, Arena arena, Tensor x, int... rows) {
        long columns = x.dim(1);
        Tensor wide = reference.tensors().allocate(arena, rows.length, columns);
        for (int i = 0; i < rows.length; i++) {
            for (long c = 0; c < columns; c++) {
                wide.data().setAtIndex(JAVA_DOUBLE, i * columns + c,
                        x.data().getAtIndex(JAVA_FLOAT, rows[i] * columns + c));
            }
        }
        return wide;
    }

    /**
     * Compares rows of a result with the reference's.
     *
     * @throws IllegalStateException if an element is farther off than {@code tolerance}
     */
    static void requireClose(Tensor result, Tensor expected, double tolerance, int... rows) {
        long columns = result.dim(1);
        for (int i = 0; i < rows.length; i++) {
            for (long c = 0; c < columns; c++) {
                double error = Math.abs(expected.data().getAtIndex(JAVA_DOUBLE, i * columns + c)
                        - result.data().getAtIndex(JAVA_FLOAT, rows[i] * columns + c));
                if (!(error <= tolerance)) {
                    throw new IllegalStateException("row " + rows[i] + ", column " + c + " is off by " + error
                            + ", more than " + tolerance + ": not timed");
                }
            }
        }
    }
}
