package dev.isthmus.engine.kernels.reference;

import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.checks.Interrupts;
import dev.isthmus.engine.config.Activation;
import dev.isthmus.engine.kernels.ActivationFunction;
import dev.isthmus.engine.kernels.HostMemory;
import dev.isthmus.engine.kernels.Kernels;
import dev.isthmus.engine.kernels.LayerNorm;
import dev.isthmus.engine.kernels.Layout;
import dev.isthmus.engine.kernels.Linear;
import dev.isthmus.engine.kernels.Matrix;
import dev.isthmus.engine.kernels.PlainMatrix;
import dev.isthmus.engine.kernels.RowBatch;
import dev.isthmus.engine.kernels.ShapeChecks;
import dev.isthmus.engine.tensor.DType;
import dev.isthmus.engine.tensor.Place;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.function.DoubleBinaryOperator;
import java.util.stream.IntStream;

/**
 * The oracle: each operation in plain Java as its formula reads, with float64 activations, cache and sums. It uses no
 * native code. Matrix products use all processors, split over columns, so results do not depend on their number.
 */
final class ReferenceKernels implements Kernels {

    static final DType TYPE = DType.F64;
    static final List<DType> CACHE_TYPES = List.of(DType.F64);
    private static final ShapeChecks CHECKS =
            new ShapeChecks(Place.HOST, TYPE, List.of(TYPE), CACHE_TYPES);
    private static final int COLUMN_TILE = 256;
    private static final String COMPUTING = "computing a forward pass";

    @Override
    public void embedding(Matrix wte, Tensor wpe, RowBatch batch, Tensor x) {
        CHECKS.embedding(wte, wpe, batch, x);
        int channels = wte.inputs();
        PlainMatrix matrix = PlainMatrix.of(wte);
        for (int t = 0; t < batch.rows(); t++) {
            for (int c = 0; c < channels; c++) {
                set(x, (long) t * channels + c, (double) matrix.get(c, batch.token(t))
                        + weight(wpe, (long) batch.position(t) * channels + c));
            }
        }
    }

    @Override
    public void layerNorm(Tensor x, LayerNorm norm, Tensor out) {
        CHECKS.layerNorm(x, norm, out);
        long channels = x.dim(1);
        for (long t = 0; t < x.dim(0); t++) {
            double mean = 0;
            for (long c = 0; c < channels; c++) {
                mean += get(x, t * channels + c) / channels;
            }
            double variance = 0;
            for (long c = 0; c < channels; c++) {
                double deviation = get(x, t * channels + c) - mean;
                variance += deviation * deviation / channels;
            }
            double scale = 1 / Math.sqrt(variance + norm.epsilon());
            for (long c = 0; c < channels; c++) {
                double normalised = (get(x, t * channels + c) - mean) * scale;
                set(out, t * channels + c, normalised * weight(norm.weight(), c) + weight(norm.bias(), c));
            }
        }
    }

    @Override
    public void linear(Tensor x, Linear linear, Activation activation, Tensor out) {
        CHECKS.linear(x, linear, out);
        product(x, linear, out, (before, sum) -> ActivationFunction.apply(activation, sum));
    }

    @Override
    public void linearAdd(Tensor x, Linear linear, Tensor out) {
        CHECKS.linearAdd(x, linear, out);
        product(x, linear, out, Double::sum);
    }

    /** out = store(out, x · weight + bias). */
    private static void product(Tensor x, Linear linear, Tensor out, DoubleBinaryOperator store) {
        double[][] rows = new double[(int) x.dim(0)][];
        for (int t = 0; t < rows.length; t++) {
            rows[t] = x.data().asSlice(t * x.dim(1) * Double.BYTES, x.dim(1) * Double.BYTES).toArray(JAVA_DOUBLE);
        }
        PlainMatrix matrix = PlainMatrix.of(linear.weight());
        int outputs = linear.outputs();
        Thread caller = Thread.currentThread();
        IntStream.range(0, Math.ceilDiv(outputs, COLUMN_TILE)).parallel().forEach(tile -> {
            Interrupts.check(caller, COMPUTING);
            int from = tile * COLUMN_TILE;
            int to = Math.min(from + COLUMN_TILE, outputs);
            double[][] sums = matrix.layout() == Layout.IN_OUT
                    ? productInOut(rows, matrix.weight(), from, to) : productOutIn(rows, matrix.weight(), from, to);
            for (int t = 0; t < rows.length; t++) {
                for (int n = from; n < to; n++) {
                    double bias = linear.bias() == null ? 0 : weight(linear.bias(), n);
                    long i = (long) t * outputs + n;
                    set(out, i, store.applyAsDouble(get(out, i), sums[t][n - from] + bias));
                }
            }
        });
    }

    private static double[][] productInOut(double[][] x, Tensor weight, int from, int to) {
        double[][] sums = new double[x.length][to - from];
        float[] w = new float[to - from];
        for (int k = 0; k < weight.dim(0); k++) {
            copyWeights(weight, k * weight.dim(1) + from, w);
            for (int t = 0; t < x.length; t++) {
                double xk = x[t][k];
                double[] sum = sums[t];
                for (int n = 0; n < w.length; n++) {
                    sum[n] += xk * w[n];
                }
            }
        }
        return sums;
    }

    private static double[][] productOutIn(double[][] x, Tensor weight, int from, int to) {
        double[][] sums = new double[x.length][to - from];
        float[] w = new float[(int) weight.dim(1)];
        for (int n = from; n < to; n++) {
            copyWeights(weight, n * weight.dim(1), w);
            for (int t = 0; t < x.length; t++) {
                double sum = 0;
                for (int k = 0; k < w.length; k++) {
                    sum += x[t][k] * w[k];
                }
                sums[t][n - from] = sum;
            }
        }
        return sums;
    }

    @Override
    public void appendKeysAndValues(Tensor qkv, RowBatch batch, int layer) {
        CHECKS.append(qkv, batch, layer);
        for (int t = 0; t < batch.rows(); t++) {
            KvCache cache = batch.cache(batch.sequence(t));
            int d = cache.headChannels();
            long channels = (long) cache.heads() * d;
            for (int h = 0; h < cache.heads(); h++) {
                double[] key = new double[d];
                double[] value = new double[d];
                HostMemory.read(qkv, (3L * t + 1) * channels + (long) h * d, key);
                HostMemory.read(qkv, (3L * t + 2) * channels + (long) h * d, value);
                cache.set(layer, h, batch.position(t), key, value);
            }
        }
    }

    @Override
    public void attention(Tensor qkv, RowBatch batch, int layer, double scale, int first, Tensor out) {
        CHECKS.attention(qkv, batch, layer, first, out);
        for (int t = first; t < batch.rows(); t++) {
            Interrupts.check(COMPUTING);
            KvCache cache = batch.cache(batch.sequence(t));
            for (int h = 0; h < cache.heads(); h++) {
                attend(qkv, cache, layer, scale, t, h, batch.position(t) + 1, out);
            }
        }
    }

    private static void attend(Tensor qkv, KvCache cache, int layer, double scale, int t, int h, int positions,
            Tensor out) {
        int headChannels = cache.headChannels();
        long query = (3L * t * cache.heads() + h) * headChannels;
        double[] scores = new double[positions];
        for (int p = 0; p < positions; p++) {
            double dot = 0;
            for (int d = 0; d < headChannels; d++) {
                dot += get(qkv, query + d) * cache.key(layer, h, p, d);
            }
            scores[p] = dot * scale;
        }
        softmax(scores);
        for (int d = 0; d < headChannels; d++) {
            double sum = 0;
            for (int p = 0; p < positions; p++) {
                sum += scores[p] * cache.value(layer, h, p, d);
            }
            set(out, ((long) t * cache.heads() + h) * headChannels + d, sum);
        }
    }

    @Override
    public void selectRows(Tensor x, int[] rows, Tensor out) {
        CHECKS.selectRows(x, rows, out);
        long rowBytes = x.dim(1) * Double.BYTES;
        for (int i = 0; i < rows.length; i++) {
            MemorySegment.copy(x.data(), rows[i] * rowBytes, out.data(), i * rowBytes, rowBytes);
        }
    }

    private static void softmax(double[] x) {
        double max = Double.NEGATIVE_INFINITY;
        for (double value : x) {
            max = Math.max(max, value);
        }
        double sum = 0;
        for (int i = 0; i < x.length; i++) {
            x[i] = Math.exp(x[i] - max);
            sum += x[i];
        }
        for (int i = 0; i < x.length; i++) {
            x[i] /= sum;
        }
    }

    private static double get(Tensor tensor, long index) {
        return tensor.data().getAtIndex(JAVA_DOUBLE, index);
    }

    private static void set(Tensor tensor, long index, double value) {
        tensor.data().setAtIndex(JAVA_DOUBLE, index, value);
    }

    private static float weight(Tensor tensor, long index) {
        return tensor.data().get(JAVA_FLOAT_UNALIGNED, index * Float.BYTES);
    }

    private static void copyWeights(Tensor tensor, long index, float[] into) {
        MemorySegment.copy(tensor.data(), JAVA_FLOAT_UNALIGNED, index * Float.BYTES, into, 0, into.length);
    }
}
