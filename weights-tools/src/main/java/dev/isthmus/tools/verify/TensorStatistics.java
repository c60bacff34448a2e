package dev.isthmus.tools.verify;

import dev.isthmus.engine.checkpoint.Checkpoint;
import dev.isthmus.engine.weights.StoredType;
import dev.isthmus.engine.weights.TensorInfo;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * What the numbers of a tensor are like. All but the counts are about the finite ones, and NaN where there are none.
 *
 * @param elements how many numbers it has
 * @param nan how many of them are NaN
 * @param infinite how many are infinite
 * @param min the smallest
 * @param max the largest
 * @param mean their mean
 * @param std their standard deviation: √(Σ(x − mean)² / n)
 */
public record TensorStatistics(long elements, long nan, long infinite, double min, double max, double mean,
        double std) {

    /** Numbers that are read at a time: 4 MB. */
    private static final int READ = 1 << 20;

    /** Numbers that are added up at a time, in a core's own cache. */
    private static final int CHUNK = 1 << 13;

    /**
     * Reads a tensor.
     *
     * @param tensor one whose type {@link StoredType#readsAsF32}
     * @throws dev.isthmus.engine.errors.CheckpointException if the file cannot be read
     */
    public static TensorStatistics of(Checkpoint checkpoint, TensorInfo tensor) {
        Sums sums = new Sums();
        long elements = tensor.shape().elements();
        float[] chunk = new float[CHUNK];
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment buffer = arena.allocate(ValueLayout.JAVA_FLOAT, Math.min(READ, elements));
            for (long first = 0; first < elements; first += READ) {
                int count = (int) Math.min(READ, elements - first);
                checkpoint.readF32(tensor, first, buffer.asSlice(0, (long) Float.BYTES * count));
                for (int begin = 0; begin < count; begin += CHUNK) {
                    int n = Math.min(CHUNK, count - begin);
                    MemorySegment.copy(buffer, ValueLayout.JAVA_FLOAT, (long) Float.BYTES * begin, chunk, 0, n);
                    sums.add(chunk, n);
                }
            }
        }
        return sums.finish(elements);
    }

    /**
     * Mean and sum of squared deviations, chunk by chunk: exact in each chunk, then joined as in Chan, Golub and
     * LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances" (1979).
     */
    private static final class Sums {

        private long nan;
        private long finite;
        private float min = Float.POSITIVE_INFINITY;
        private float max = Float.NEGATIVE_INFINITY;
        private double mean;
        private double squares;

        void add(float[] values, int count) {
            double sum = 0;
            int n = 0;
            for (int i = 0; i < count; i++) {
                float value = values[i];
                if (Float.isFinite(value)) {
                    sum += value;
                    min = Math.min(min, value);
                    max = Math.max(max, value);
                    n++;
                } else if (Float.isNaN(value)) {
                    nan++;
                }
            }
            if (n > 0) {
                double chunkMean = sum / n;
                double chunkSquares = 0;
                for (int i = 0; i < count; i++) {
                    if (Float.isFinite(values[i])) {
                        double deviation = values[i] - chunkMean;
                        chunkSquares += deviation * deviation;
                    }
                }
                join(n, chunkMean, chunkSquares);
            }
        }

        private void join(int n, double chunkMean, double chunkSquares) {
            double delta = chunkMean - mean;
            long both = finite + n;
            mean += delta * n / both;
            squares += chunkSquares + delta * delta * finite * n / both;
            finite = both;
        }

        TensorStatistics finish(long elements) {
            long infinite = elements - finite - nan;
            return finite == 0 ? new TensorStatistics(elements, nan, infinite, Double.NaN, Double.NaN, Double.NaN,
                    Double.NaN) : new TensorStatistics(elements, nan, infinite, min, max, mean,
                    Math.sqrt(squares / finite));
        }
    }
}
