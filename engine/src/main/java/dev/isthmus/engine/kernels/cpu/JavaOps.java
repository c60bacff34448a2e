package dev.isthmus.engine.kernels.cpu;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.config.Activation;
import dev.isthmus.engine.config.KernelKind;
import dev.isthmus.engine.kernels.ActivationFunction;
import dev.isthmus.engine.kernels.LayerNorm;
import dev.isthmus.engine.kernels.Linear;
import dev.isthmus.engine.kernels.Matrix;
import dev.isthmus.engine.kernels.PlainMatrix;
import dev.isthmus.engine.kernels.PlainWeights;
import dev.isthmus.engine.kernels.RowBatch;
import dev.isthmus.engine.kernels.WeightMemory;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.function.IntConsumer;
import java.util.stream.IntStream;

/**
 * The operations in plain Java, for machines without libisthmus: float32 in and out as the C kernels, sums in double
 * where that costs little. Rows are copied to the heap, where loops over arrays become vector code.
 */
final class JavaOps implements CpuOps {

    /** Products are added up in float for so many inputs at a time, and the sums of these in double. */
    private static final int BLOCK = 64;

    /** A task of a product in Java. */
    private static final int ROWS = 16;
    private static final int COLUMNS = 192;

    /** A task of a product by OpenBLAS has more rows, for the packing to pay. */
    private static final int BLAS_ROWS = 256;

    private final LazyBlas blas = new LazyBlas();
    private final int blasRows;
    private final WorkerTeam team;

    /**
     * Takes over where libisthmus is missing.
     *
     * @param blasRows the rows from which on OpenBLAS computes a matrix product, where it can be loaded
     * @param team the threads that work
     */
    JavaOps(int blasRows, WorkerTeam team) {
        this.blasRows = blasRows;
        this.team = team;
    }

    @Override
    public KernelKind kind() {
        return hasOpenBlas() ? KernelKind.JAVA_WITH_OPENBLAS : KernelKind.JAVA;
    }

    @Override
    public String description() {
        return "plain Java kernels, " + (hasOpenBlas() ? "OpenBLAS from " + blasRows + " rows" : "no OpenBLAS");
    }

    private boolean hasOpenBlas() {
        return blasRows != CpuChoice.NEVER && blas.get() != null;
    }

    @Override
    public void close() {}

    /** OpenBLAS takes over from some number of rows on, and its own products depend on that number too. */
    @Override
    public boolean isBatchInvariant() {
        return blasRows == CpuChoice.NEVER;
    }

    @Override
    public WeightMemory weights() {
        return PlainWeights.INSTANCE;
    }

    @Override
    public void embedding(Matrix wte, Tensor wpe, RowBatch batch, Tensor x) {
        PlainMatrix matrix = PlainMatrix.of(wte);
        int channels = wte.inputs();
        overRows(x, t -> {
            float[] row = row(wpe.data(), (long) batch.position(t) * channels, channels);
            for (int c = 0; c < channels; c++) {
                row[c] += matrix.get(c, batch.token(t));
            }
            write(row, x.data(), (long) t * channels);
        });
    }

    private void overRows(Tensor x, IntConsumer row) {
        Tiles.overRows(team, x.dim(0), (t0, t1) -> IntStream.range(t0, t1).forEach(row));
    }

    @Override
    public void layerNorm(Tensor x, LayerNorm norm, Tensor out) {
        long channels = x.dim(1);
        float[] weight = row(norm.weight().data(), 0, channels);
        float[] bias = row(norm.bias().data(), 0, channels);
        overRows(x, t -> {
            float[] values = row(x.data(), t * channels, channels);
            normalise(values, weight, bias, norm.epsilon());
            write(values, out.data(), t * channels);
        });
    }

    private static void normalise(float[] values, float[] weight, float[] bias, double epsilon) {
        double mean = 0;
        for (float value : values) {
            mean += value;
        }
        mean /= values.length;
        double variance = 0;
        for (float value : values) {
            variance += (value - mean) * (value - mean);
        }
        double scale = 1 / Math.sqrt(variance / values.length + epsilon);
        for (int c = 0; c < values.length; c++) {
            values[c] = (float) ((values[c] - mean) * scale * weight[c] + bias[c]);
        }
    }

    @Override
    public void linear(Tensor x, Linear linear, Activation activation, boolean add, Tensor out) {
        PlainMatrix matrix = PlainMatrix.of(linear.weight());
        int rows = (int) x.dim(0);
        Blas openBlas = rows >= blasRows ? blas.get() : null;
        Tiles.run(team, rows, openBlas == null ? ROWS : BLAS_ROWS, linear.outputs(), COLUMNS, (t0, t1, n0, n1) -> {
            float[][] sums = openBlas == null ? product(x, matrix, t0, t1, n0, n1)
                    : openBlas.product(x.data(), matrix, t0, t1, n0, n1);
            float[] bias = linear.bias() == null ? new float[n1 - n0] : row(linear.bias().data(), n0, n1 - n0);
            for (int t = t0; t < t1; t++) {
                long to = (long) t * linear.outputs() + n0;
                float[] sum = sums[t - t0];
                float[] before = add ? row(out.data(), to, sum.length) : null;
                for (int n = 0; n < sum.length; n++) {
                    sum[n] = add ? before[n] + (sum[n] + bias[n])
                            : (float) ActivationFunction.apply(activation, sum[n] + bias[n]);
                }
                write(sum, out.data(), to);
            }
        });
    }

    private static float[][] product(Tensor x, PlainMatrix matrix, int t0, int t1, int n0, int n1) {
        int inputs = matrix.inputs();
        float[][] xs = new float[t1 - t0][];
        for (int t = t0; t < t1; t++) {
            xs[t - t0] = row(x.data(), (long) t * inputs, inputs);
        }
        return switch (matrix.layout()) {
            case IN_OUT -> matmulInOut(xs, matrix, n0, n1);
            case OUT_IN -> matmulOutIn(xs, matrix, n0, n1);
        };
    }

    private static float[][] matmulInOut(float[][] xs, PlainMatrix matrix, int n0, int n1) {
        int columns = n1 - n0;
        int inputs = xs[0].length;
        double[][] totals = new double[xs.length][columns];
        float[][] sums = new float[xs.length][columns];
        float[] weights = new float[columns];
        for (int k = 0; k < inputs; k++) {
            read(matrix.weight().data(), (long) k * matrix.outputs() + n0, weights);
            for (int t = 0; t < xs.length; t++) {
                multiplyAdd(xs[t][k], weights, sums[t]);
            }
            if (k % BLOCK == BLOCK - 1 || k == inputs - 1) {
                for (int t = 0; t < xs.length; t++) {
                    for (int n = 0; n < columns; n++) {
                        totals[t][n] += sums[t][n];
                    }
                    Arrays.fill(sums[t], 0);
                }
            }
        }
        for (int t = 0; t < xs.length; t++) {
            for (int n = 0; n < columns; n++) {
                sums[t][n] = (float) totals[t][n];
            }
        }
        return sums;
    }

    private static float[][] matmulOutIn(float[][] xs, PlainMatrix matrix, int n0, int n1) {
        float[][] results = new float[xs.length][n1 - n0];
        float[] weights = new float[matrix.inputs()];
        for (int n = n0; n < n1; n++) {
            read(matrix.weight().data(), (long) n * weights.length, weights);
            for (int t = 0; t < xs.length; t++) {
                results[t][n - n0] = (float) dot(xs[t], weights);
            }
        }
        return results;
    }

    private static void softmax(float[] values, int count) {
        float max = Float.NEGATIVE_INFINITY;
        for (int i = 0; i < count; i++) {
            max = Math.max(max, values[i]);
        }
        double sum = 0;
        for (int i = 0; i < count; i++) {
            values[i] = (float) Math.exp(values[i] - max);
            sum += values[i];
        }
        for (int i = 0; i < count; i++) {
            values[i] = (float) (values[i] / sum);
        }
    }

    @Override
    public void appendKeysAndValues(Tensor qkv, RowBatch batch, int layer) {
        Tiles.run(team, batch.rows(), Tiles.appendedRows(batch.rows()), 1, 1, (t0, t1, n0, n1) -> {
            for (int t = t0; t < t1; t++) {
                append(qkv.data(), batch, layer, t);
            }
        });
    }

    private static void append(MemorySegment qkv, RowBatch batch, int layer, int t) {
        KvCache cache = batch.cache(batch.sequence(t));
        int d = cache.headChannels();
        int channels = cache.heads() * d;
        float[] keys = row(qkv, (3L * t + 1) * channels, channels);
        float[] values = row(qkv, (3L * t + 2) * channels, channels);
        for (int h = 0; h < cache.heads(); h++) {
            cache.set(layer, h, batch.position(t), head(keys, h, d), head(values, h, d));
        }
    }

    private static double[] head(float[] channels, int head, int d) {
        double[] values = new double[d];
        for (int i = 0; i < d; i++) {
            values[i] = channels[head * d + i];
        }
        return values;
    }

    @Override
    public void attention(Tensor qkv, RowBatch batch, int layer, float scale, int first, Tensor out) {
        int heads = batch.cache(0).heads();
        Tiles.run(team, batch.rows() - first, Tiles.ATTENTION_ROWS, heads, 1, (t0, t1, h0, h1) -> {
            for (int t = first + t0; t < first + t1; t++) {
                KvCache cache = batch.cache(batch.sequence(t));
                int d = cache.headChannels();
                int positions = batch.position(t) + 1;
                for (int h = h0; h < h1; h++) {
                    float[] query = row(qkv.data(), (3L * t * heads + h) * d, d);
                    float[] weights = scores(query, scale, cache, layer, h, positions);
                    softmax(weights, positions);
                    write(weighted(weights, cache, layer, h, positions), out.data(), ((long) t * heads + h) * d);
                }
            }
        });
    }

    /** The scores of the first {@code positions} positions, with room for whole blocks. */
    private static float[] scores(float[] query, float scale, KvCache cache, int layer, int h, int positions) {
        int size = KvCache.BLOCK_POSITIONS;
        float[] scores = new float[Math.ceilDiv(positions, size) * size];
        float[] keys = new float[query.length * size];
        double[] sums = new double[size];
        for (int p = 0; p < positions; p += size) {
            cache.readKeys(p / size, layer, h, keys);
            Arrays.fill(sums, 0);
            for (int c = 0; c < query.length; c++) {
                for (int slot = 0; slot < size; slot++) {
                    sums[slot] += query[c] * keys[c * size + slot];
                }
            }
            for (int slot = 0; slot < size; slot++) {
                scores[p + slot] = (float) (sums[slot] * scale);
            }
        }
        return scores;
    }

    /** The sum of the first {@code positions} positions' values, weighted. */
    private static float[] weighted(float[] weights, KvCache cache, int layer, int h, int positions) {
        int d = cache.headChannels();
        int size = KvCache.BLOCK_POSITIONS;
        double[] totals = new double[d];
        float[] values = new float[size * d];
        for (int p = 0; p < positions; p++) {
            int slot = p % size;
            if (slot == 0) {
                cache.readValues(p / size, layer, h, values);
            }
            for (int c = 0; c < d; c++) {
                totals[c] += weights[p] * values[slot * d + c];
            }
        }
        float[] sums = new float[d];
        for (int c = 0; c < d; c++) {
            sums[c] = (float) totals[c];
        }
        return sums;
    }

    private static void multiplyAdd(float x, float[] w, float[] sum) {
        for (int n = 0; n < w.length; n++) {
            sum[n] += x * w[n];
        }
    }

    /** Eight chains, since one would wait for each addition in turn. */
    private static double dot(float[] a, float[] b) {
        double[] sums = new double[8];
        int i = 0;
        for (; i + 8 <= a.length; i += 8) {
            for (int lane = 0; lane < 8; lane++) {
                sums[lane] += a[i + lane] * b[i + lane];
            }
        }
        double sum = 0;
        for (; i < a.length; i++) {
            sum += a[i] * b[i];
        }
        for (double chain : sums) {
            sum += chain;
        }
        return sum;
    }

    private static float[] row(MemorySegment segment, long from, long count) {
        float[] values = new float[(int) count];
        read(segment, from, values);
        return values;
    }

    private static void read(MemorySegment segment, long from, float[] into) {
        MemorySegment.copy(segment, JAVA_FLOAT_UNALIGNED, from * Float.BYTES, into, 0, into.length);
    }

    private static void write(float[] values, MemorySegment segment, long to) {
        MemorySegment.copy(values, 0, segment, JAVA_FLOAT_UNALIGNED, to * Float.BYTES, values.length);
    }
}
