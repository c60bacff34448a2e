package dev.isthmus.engine.kernels.cpu;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.config.Activation;
import dev.isthmus.engine.kernels.ActivationFunction;
import dev.isthmus.engine.kernels.Layout;
import dev.isthmus.engine.kernels.RowBatch;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * The operations in plain Java, for machines without libisthmus: float32 in and out as the C kernels, sums in double
 * where that costs little. Rows are copied to the heap, where loops over arrays become vector code.
 */
final class JavaOps implements CpuOps {

    /** Products are added up in float for so many inputs at a time, and the sums of these in double. */
    private static final int BLOCK = 64;

    @Override
    public String description() {
        return "plain Java kernels";
    }

    @Override
    public void embedding(MemorySegment wte, MemorySegment wpe, RowBatch batch, MemorySegment x, long vocabulary,
            long positions, long channels, long t0, long t1) {
        for (long t = t0; t < t1; t++) {
            float[] token = row(wte, batch.token((int) t) * channels, channels);
            float[] position = row(wpe, batch.position((int) t) * channels, channels);
            for (int c = 0; c < channels; c++) {
                token[c] += position[c];
            }
            write(token, x, t * channels);
        }
    }

    @Override
    public void layerNorm(MemorySegment x, MemorySegment weight, MemorySegment bias, MemorySegment out, long channels,
            double epsilon, long t0, long t1) {
        float[] w = row(weight, 0, channels);
        float[] b = row(bias, 0, channels);
        for (long t = t0; t < t1; t++) {
            float[] values = row(x, t * channels, channels);
            double mean = 0;
            for (float value : values) {
                mean += value;
            }
            mean /= channels;
            double variance = 0;
            for (float value : values) {
                variance += (value - mean) * (value - mean);
            }
            double scale = 1 / Math.sqrt(variance / channels + epsilon);
            for (int c = 0; c < channels; c++) {
                values[c] = (float) ((values[c] - mean) * scale * w[c] + b[c]);
            }
            write(values, out, t * channels);
        }
    }

    @Override
    public void biasActivation(MemorySegment x, MemorySegment bias, Activation activation, long rows, long outputs,
            long n0, long n1) {
        float[] b = bias == null ? new float[(int) (n1 - n0)] : row(bias, n0, n1 - n0);
        for (long t = 0; t < rows; t++) {
            float[] values = row(x, t * outputs + n0, n1 - n0);
            for (int n = 0; n < values.length; n++) {
                values[n] = (float) ActivationFunction.apply(activation, values[n] + b[n]);
            }
            write(values, x, t * outputs + n0);
        }
    }

    @Override
    public void residualAdd(MemorySegment x, MemorySegment y, long channels, long t0, long t1) {
        for (long t = t0; t < t1; t++) {
            float[] sum = row(x, t * channels, channels);
            float[] added = row(y, t * channels, channels);
            for (int c = 0; c < channels; c++) {
                sum[c] += added[c];
            }
            write(sum, x, t * channels);
        }
    }

    @Override
    public void matmul(MemorySegment x, MemorySegment w, MemorySegment out, Layout layout, long rows, long inputs,
            long outputs, long n0, long n1) {
        float[][] xs = new float[(int) rows][];
        for (int t = 0; t < rows; t++) {
            xs[t] = row(x, t * inputs, inputs);
        }
        switch (layout) {
            case IN_OUT -> matmulInOut(xs, w, out, outputs, n0, n1);
            case OUT_IN -> matmulOutIn(xs, w, out, inputs, outputs, n0, n1);
        }
    }

    private static void matmulInOut(float[][] xs, MemorySegment w, MemorySegment out, long outputs, long n0, long n1) {
        int columns = (int) (n1 - n0);
        int inputs = xs[0].length;
        double[][] totals = new double[xs.length][columns];
        float[][] sums = new float[xs.length][columns];
        float[] weights = new float[columns];
        for (int k = 0; k < inputs; k++) {
            read(w, k * outputs + n0, weights);
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
            write(sums[t], out, t * outputs + n0);
        }
    }

    private static void matmulOutIn(float[][] xs, MemorySegment w, MemorySegment out, long inputs, long outputs,
            long n0, long n1) {
        float[][] results = new float[xs.length][(int) (n1 - n0)];
        float[] weights = new float[(int) inputs];
        for (long n = n0; n < n1; n++) {
            read(w, n * inputs, weights);
            for (int t = 0; t < xs.length; t++) {
                results[t][(int) (n - n0)] = (float) dot(xs[t], 0, weights, 0, weights.length);
            }
        }
        for (int t = 0; t < xs.length; t++) {
            write(results[t], out, t * outputs + n0);
        }
    }

    @Override
    public void softmax(MemorySegment x, long columns, long t0, long t1) {
        for (long t = t0; t < t1; t++) {
            float[] values = row(x, t * columns, columns);
            softmax(values, values.length);
            write(values, x, t * columns);
        }
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
    public void appendKeysAndValues(MemorySegment qkv, RowBatch batch, int layer, long t0, long t1) {
        for (int t = (int) t0; t < t1; t++) {
            KvCache cache = batch.cache(batch.sequence(t));
            int d = cache.headChannels();
            MemorySegment block = cache.block(batch.position(t) / KvCache.BLOCK_POSITIONS).data();
            for (int part = 0; part < 2; part++) {
                for (int h = 0; h < cache.heads(); h++) {
                    long from = ((3L * t + 1 + part) * cache.heads() + h) * d;
                    long to = panel(cache, layer, part, h)
                            + (long) batch.position(t) % KvCache.BLOCK_POSITIONS * d;
                    MemorySegment.copy(qkv, from * Float.BYTES, block, to * Float.BYTES, (long) d * Float.BYTES);
                }
            }
        }
    }

    @Override
    public void attention(MemorySegment qkv, MemorySegment out, RowBatch batch, int layer, float scale, long t0,
            long t1, long h0, long h1) {
        for (int t = (int) t0; t < t1; t++) {
            KvCache cache = batch.cache(batch.sequence(t));
            for (int h = (int) h0; h < h1; h++) {
                attend(qkv, out, cache, layer, scale, t, h, batch.position(t) + 1);
            }
        }
    }

    private static void attend(MemorySegment qkv, MemorySegment out, KvCache cache, int layer, float scale, int t,
            int h, int positions) {
        int d = cache.headChannels();
        float[] query = row(qkv, (3L * t * cache.heads() + h) * d, d);
        float[] scores = new float[positions];
        float[] panel = new float[KvCache.BLOCK_POSITIONS * d];
        for (int p = 0; p < positions; p++) {
            int slot = p % KvCache.BLOCK_POSITIONS;
            if (slot == 0) {
                read(cache.block(p / KvCache.BLOCK_POSITIONS).data(), panel(cache, layer, 0, h), panel);
            }
            scores[p] = (float) dot(query, 0, panel, slot * d, d) * scale;
        }
        softmax(scores, positions);
        double[] sums = new double[d];
        for (int p = 0; p < positions; p++) {
            int slot = p % KvCache.BLOCK_POSITIONS;
            if (slot == 0) {
                read(cache.block(p / KvCache.BLOCK_POSITIONS).data(), panel(cache, layer, 1, h), panel);
            }
            for (int c = 0; c < d; c++) {
                sums[c] += scores[p] * panel[slot * d + c];
            }
        }
        for (int c = 0; c < d; c++) {
            query[c] = (float) sums[c];
        }
        write(query, out, ((long) t * cache.heads() + h) * d);
    }

    /** Where the keys (part 0) or values (part 1) of a head begin in a block, in elements. */
    private static long panel(KvCache cache, int layer, int part, int head) {
        return cache.layerOffset(layer)
                + ((long) part * cache.heads() + head) * KvCache.BLOCK_POSITIONS * cache.headChannels();
    }

    private static void multiplyAdd(float x, float[] w, float[] sum) {
        for (int n = 0; n < w.length; n++) {
            sum[n] += x * w[n];
        }
    }

    /** Eight chains, since one would wait for each addition in turn. */
    private static double dot(float[] a, int aFrom, float[] b, int bFrom, int count) {
        double[] sums = new double[8];
        int i = 0;
        for (; i + 8 <= count; i += 8) {
            for (int lane = 0; lane < 8; lane++) {
                sums[lane] += a[aFrom + i + lane] * b[bFrom + i + lane];
            }
        }
        double sum = 0;
        for (; i < count; i++) {
            sum += a[aFrom + i] * b[bFrom + i];
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
