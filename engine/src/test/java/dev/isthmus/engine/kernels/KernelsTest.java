package dev.isthmus.engine.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.config.Activation;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.tensor.DType;
import dev.isthmus.engine.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.function.IntToDoubleFunction;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Every operation of every backend against its formula, written out here once more in double, over awkward sizes and
 * with guard bytes around every tensor.
 */
@ParameterizedClass
@MethodSource("dev.isthmus.engine.kernels.TestBackend#all")
record KernelsTest(TestBackend backend) {

    private static final double TOLERANCE = 2e-6;

    @ParameterizedTest
    @CsvSource({"1,1", "1,7", "3,16", "17,33", "2,768", "19,65"})
    void embeddingAddsTokenAndPosition(int rows, int channels) {
        try (Backend opened = backend.open(2); TestTensors tensors = new TestTensors(opened, 1)) {
            int vocabulary = 11;
            float[] wte = tensors.values(vocabulary * channels, 1);
            float[] wpe = tensors.values(64 * channels, 1);
            RowBatch batch = new RowBatch(tensors.arena());
            int[] ids = IntStream.range(0, rows).map(t -> (7 * t + 3) % vocabulary).toArray();
            batch.add(tensors.cache(1, 1, 1, 1024), ids, 0, rows);
            Tensor x = tensors.output(rows, channels);
            opened.kernels().embedding(tensors.matrix(WeightType.F32, Layout.OUT_IN, channels, vocabulary, wte),
                    tensors.weight(wpe, 64, channels), batch, x);
            double[] expected = new double[rows * channels];
            for (int i = 0; i < expected.length; i++) {
                int t = i / channels;
                expected[i] = (double) wte[ids[t] * channels + i % channels] + wpe[t * channels + i % channels];
            }
            tensors.assertClose(expected, x, TOLERANCE);
            tensors.assertGuardsIntact();
        }
    }

    @ParameterizedTest
    @CsvSource({"1,1", "1,2", "3,15", "17,33", "2,768", "1,769"})
    void layerNormCentresAndScalesEachRow(int rows, int channels) {
        try (Backend opened = backend.open(2); TestTensors tensors = new TestTensors(opened, 2)) {
            float[] x = tensors.values(rows * channels, 3);
            x[0] += 1000;
            float[] weight = tensors.values(channels, 2);
            float[] bias = tensors.values(channels, 1);
            Tensor out = tensors.output(rows, channels);
            LayerNorm norm = new LayerNorm(tensors.weight(weight, channels), tensors.weight(bias, channels), 1e-5);
            Tensor in = tensors.activation(x, rows, channels);
            opened.kernels().layerNorm(in, norm, out);
            double[] expected = new double[rows * channels];
            for (int t = 0; t < rows; t++) {
                int from = t * channels;
                double mean = IntStream.range(0, channels).mapToDouble(c -> x[from + c]).sum() / channels;
                double variance = IntStream.range(0, channels)
                        .mapToDouble(c -> (x[from + c] - mean) * (x[from + c] - mean)).sum() / channels;
                for (int c = 0; c < channels; c++) {
                    expected[from + c] = (x[from + c] - mean) / Math.sqrt(variance + 1e-5) * weight[c] + bias[c];
                }
            }
            tensors.assertClose(expected, out, 2e-5);
            opened.kernels().layerNorm(in, norm, in);
            assertArrayEquals(tensors.doubles(out), tensors.doubles(in), "the output may be the input");
            tensors.assertGuardsIntact();
        }
    }

    @ParameterizedTest
    @CsvSource({"1,1,1", "1,768,2304", "2,5,3", "3,64,17", "8,33,257", "16,100,193", "17,100,193", "31,7,1",
        "33,129,385", "300,16,40", "4,3072,768"})
    void linearIsTheMatrixProductPlusBias(int rows, int inputs, int outputs) {
        for (Layout layout : Layout.values()) {
            for (boolean withBias : new boolean[] {true, false}) {
                checkLinear(rows, inputs, outputs, layout, withBias, Activation.NONE);
            }
        }
    }

    @ParameterizedTest
    @EnumSource(Activation.class)
    void linearAppliesTheActivation(Activation activation) {
        checkLinear(3, 20, 65, Layout.IN_OUT, true, activation);
        checkLinear(40, 20, 65, Layout.IN_OUT, true, activation);
    }

    private void checkLinear(int rows, int inputs, int outputs, Layout layout, boolean withBias,
            Activation activation) {
        try (Backend opened = backend.open(2); TestTensors tensors = new TestTensors(opened, 3)) {
            float[] x = tensors.values(rows * inputs, 2);
            float[] w = tensors.values(inputs * outputs, 1);
            float[] bias = tensors.values(outputs, 4);
            Matrix weight = tensors.matrix(WeightType.F32, layout, inputs, outputs, w);
            Tensor out = tensors.output(rows, outputs);
            opened.kernels().linear(tensors.activation(x, rows, inputs),
                    new Linear(weight, withBias ? tensors.weight(bias, outputs) : null), activation, out);
            double[] expected = new double[rows * outputs];
            for (int t = 0; t < rows; t++) {
                for (int n = 0; n < outputs; n++) {
                    double sum = withBias ? bias[n] : 0;
                    for (int k = 0; k < inputs; k++) {
                        sum += (double) x[t * inputs + k]
                                * w[layout == Layout.IN_OUT ? k * outputs + n : n * inputs + k];
                    }
                    expected[t * outputs + n] = activated(activation, sum);
                }
            }
            tensors.assertClose(expected, out, 2e-6 * Math.sqrt(inputs) + 2e-6);
            tensors.assertGuardsIntact();
        }
    }

    /** Through the complement's asymptotic form and Simpson's rule: independent of the code under test. */
    private static double activated(Activation activation, double x) {
        return switch (activation) {
            case NONE -> x;
            case RELU -> x > 0 ? x : 0;
            case GELU_TANH -> {
                double u = Math.sqrt(2 / Math.PI) * (x + 0.044715 * Math.pow(x, 3));
                yield x / (1 + Math.exp(-2 * u));
            }
            case GELU_ERF -> {
                int steps = 2_000;
                double width = x / steps;
                double area = 0;
                for (int i = 0; i < steps; i++) {
                    double a = i * width;
                    area += width / 6 * (gauss(a) + 4 * gauss(a + width / 2) + gauss(a + width));
                }
                yield x * (0.5 + area);
            }
        };
    }

    private static double gauss(double x) {
        return Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI);
    }

    @ParameterizedTest
    @CsvSource({"1,1,1", "5,3,7", "17,33,769", "100,64,65"})
    void linearAddAddsTheProductToWhatIsThere(int rows, int inputs, int outputs) {
        try (Backend opened = backend.open(2); TestTensors tensors = new TestTensors(opened, 4)) {
            float[] w = tensors.values(inputs * outputs, 1);
            float[] bias = tensors.values(outputs, 1);
            float[] before = tensors.values(rows * outputs, 5);
            Tensor x = tensors.activation(tensors.values(rows * inputs, 2), rows, inputs);
            Linear linear = new Linear(tensors.matrix(WeightType.F32, Layout.IN_OUT, inputs, outputs, w),
                    tensors.weight(bias, outputs));
            Tensor product = tensors.output(rows, outputs);
            opened.kernels().linear(x, linear, Activation.NONE, product);
            Tensor sum = tensors.activation(before, rows, outputs);
            opened.kernels().linearAdd(x, linear, sum);
            double[] expected = tensors.doubles(product);
            for (int i = 0; i < expected.length; i++) {
                expected[i] += before[i];
            }
            tensors.assertClose(expected, sum, 2e-6 * Math.sqrt(inputs) + 2e-6);
            tensors.assertGuardsIntact();
        }
    }

    @ParameterizedTest
    @CsvSource({"1,1,0", "1,5,3", "2,7,63", "3,64,64", "12,64,130", "4,80,1", "1,33,200", "5,16,127", "2,32,70", "1,96,63",
        "1,128,129"})
    void attentionLooksAtItsOwnSequenceUpToItself(int heads, int headChannels, int past) {
        assumeTrue(backend.takesHeads(headChannels), () -> backend + " takes no heads of " + headChannels + " channels");
        try (Backend opened = backend.open(3); TestTensors tensors = new TestTensors(opened, 6)) {
            int channels = heads * headChannels;
            int[] lengths = {past, 0, past / 2};
            int[] news = {1, 20, 70};
            KvCache[] caches = new KvCache[3];
            float[][] history = new float[3][];
            RowBatch batch = new RowBatch(tensors.arena());
            for (int s = 0; s < 3; s++) {
                caches[s] = tensors.cache(2, heads, headChannels, 1024);
                history[s] = tensors.values((lengths[s] + news[s]) * 3 * channels, 2);
                if (lengths[s] > 0) {
                    batch.clear();
                    batch.add(caches[s], new int[lengths[s]], 0, lengths[s]);
                    opened.kernels().appendKeysAndValues(tensors.activation(Arrays.copyOf(history[s], lengths[s] * 3 * channels),
                            lengths[s], 3L * channels), batch, 1);
                    batch.commit();
                }
            }
            batch.clear();
            float[] qkv = new float[Arrays.stream(news).sum() * 3 * channels];
            for (int s = 0; s < 3; s++) {
                batch.add(caches[s], new int[news[s]], 0, news[s]);
                System.arraycopy(history[s], lengths[s] * 3 * channels, qkv, batch.firstRow(s) * 3 * channels,
                        news[s] * 3 * channels);
            }
            Tensor rows = tensors.activation(qkv, batch.rows(), 3L * channels);
            Tensor out = tensors.output(batch.rows(), channels);
            opened.kernels().appendKeysAndValues(rows, batch, 1);
            opened.kernels().attention(rows, batch, 1, 0.7, 0, out);
            tensors.assertClose(expectedAttention(batch, history, heads, headChannels), out,
                    5e-6 * Math.max(1, headChannels / 64.0));
            double[] all = tensors.doubles(out);
            for (int first : new int[] {0, 7, batch.rows() - 1, batch.rows()}) {
                Tensor part = tensors.output(batch.rows(), channels);
                opened.kernels().attention(rows, batch, 1, 0.7, first, part);
                assertArrayEquals(Arrays.copyOfRange(all, first * channels, all.length),
                        Arrays.copyOfRange(tensors.doubles(part), first * channels, all.length));
            }
            tensors.assertGuardsIntact();
        }
    }

    @ParameterizedTest
    @CsvSource({"1,1", "2,5", "3,64", "1,65", "2,96"})
    void aCacheOfBytesIsAsNearAsItsScaleAllowsOrRefused(int heads, int headChannels) {
        try (Backend opened = backend.open(2); TestTensors tensors = new TestTensors(opened, 9)) {
            int rows = 70;
            int channels = heads * headChannels;
            float[] qkv = tensors.values(rows * 3 * channels, 4);
            KvCache cache = new KvCache(2, heads, headChannels, rows, DType.INT8, tensors.arena());
            RowBatch batch = new RowBatch(tensors.arena());
            batch.add(cache, new int[rows], 0, rows);
            Tensor all = tensors.activation(qkv, rows, 3L * channels);
            if (!opened.cacheTypes(WeightType.F32).contains(DType.INT8)) {
                assertThrows(IllegalArgumentException.class, () -> opened.kernels().appendKeysAndValues(all, batch, 1));
                return;
            }
            opened.kernels().appendKeysAndValues(all, batch, 1);
            for (int i = 0; i < rows * heads; i++) {
                int t = i / heads;
                int head = i % heads;
                int from = (t * 3 + 1) * channels + head * headChannels;
                requireNear(Arrays.copyOfRange(qkv, from, from + headChannels), d -> cache.key(1, head, t, d));
                requireNear(Arrays.copyOfRange(qkv, from + channels, from + channels + headChannels),
                        d -> cache.value(1, head, t, d));
            }
        }
    }

    private static void requireNear(float[] expected, IntToDoubleFunction found) {
        double largest = IntStream.range(0, expected.length).mapToDouble(d -> Math.abs(expected[d])).max().orElseThrow();
        for (int d = 0; d < expected.length; d++) {
            assertEquals(expected[d], found.applyAsDouble(d), largest / 127 * 0.5001, "channel " + d);
        }
    }

    private static double[] expectedAttention(RowBatch batch, float[][] history, int heads, int d) {
        int channels = heads * d;
        double[] expected = new double[batch.rows() * channels];
        for (int t = 0; t < batch.rows(); t++) {
            float[] qkv = history[batch.sequence(t)];
            int position = batch.position(t);
            for (int h = 0; h < heads; h++) {
                double[] weights = new double[position + 1];
                double sum = 0;
                for (int p = 0; p <= position; p++) {
                    double dot = 0;
                    for (int c = 0; c < d; c++) {
                        dot += (double) qkv[position * 3 * channels + h * d + c]
                                * qkv[p * 3 * channels + channels + h * d + c];
                    }
                    weights[p] = Math.exp(0.7 * dot);
                    sum += weights[p];
                }
                for (int c = 0; c < d; c++) {
                    for (int p = 0; p <= position; p++) {
                        expected[t * channels + h * d + c] += weights[p] / sum
                                * qkv[p * 3 * channels + 2 * channels + h * d + c];
                    }
                }
            }
        }
        return expected;
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 5})
    void resultsDoNotDependOnTheNumberOfThreads(int threads) {
        List<double[]> single = mixedWork(1);
        List<double[]> several = mixedWork(threads);
        for (int i = 0; i < single.size(); i++) {
            assertArrayEquals(single.get(i), several.get(i), "bit for bit");
        }
    }

    private List<double[]> mixedWork(int threads) {
        try (Backend opened = backend.open(threads); TestTensors tensors = new TestTensors(opened, 7)) {
            Linear inOut = new Linear(tensors.matrix(WeightType.F32, Layout.IN_OUT, 96, 500,
                    tensors.values(96 * 500, 1)), tensors.weight(tensors.values(500, 1), 500));
            Linear outIn = new Linear(tensors.matrix(WeightType.F32, Layout.OUT_IN, 96, 700,
                    tensors.values(96 * 700, 1)), null);
            Tensor few = tensors.activation(tensors.values(5 * 96, 1), 5, 96);
            Tensor many = tensors.activation(tensors.values(290 * 96, 1), 290, 96);
            List<Tensor> outs = List.of(tensors.output(5, 500), tensors.output(290, 500),
                    tensors.output(5, 700), tensors.output(290, 700),
                    tensors.output(290, 32));
            opened.kernels().linear(few, inOut, Activation.GELU_TANH, outs.get(0));
            opened.kernels().linear(many, inOut, Activation.GELU_TANH, outs.get(1));
            opened.kernels().linear(few, outIn, Activation.NONE, outs.get(2));
            opened.kernels().linear(many, outIn, Activation.NONE, outs.get(3));
            RowBatch batch = new RowBatch(tensors.arena());
            batch.add(tensors.cache(1, 1, 32, 1024), new int[290], 0, 290);
            opened.kernels().appendKeysAndValues(many, batch, 0);
            opened.kernels().attention(many, batch, 0, 1, 0, outs.get(4));
            return outs.stream().map(tensors::doubles).toList();
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 4})
    void tensorsThatDoNotFitAreRefusedBeforeAnythingIsComputed(int wrong) {
        try (Backend opened = backend.open(1); TestTensors tensors = new TestTensors(opened, 8)) {
            Tensor x = tensors.activation(tensors.values(6, 1), 2, 3);
            Tensor wide = tensors.output(2, wrong);
            Linear linear = new Linear(tensors.matrix(WeightType.F32, Layout.IN_OUT, 3, 5,
                    tensors.values(15, 1)), null);
            LayerNorm norm = new LayerNorm(tensors.weight(tensors.values(3, 1), 3),
                    tensors.weight(tensors.values(3, 1), 3), 0);
            assertThrows(IllegalArgumentException.class, () -> opened.kernels().linear(x, linear, Activation.NONE, wide));
            assertThrows(IllegalArgumentException.class, () -> opened.kernels().linear(wide, linear, Activation.NONE, x));
            assertThrows(IllegalArgumentException.class, () -> opened.kernels().layerNorm(x, norm, wide));
            assertThrows(IllegalArgumentException.class, () -> opened.kernels().linearPart(x, linear, 0, 0, wide));
            assertThrows(IllegalArgumentException.class, () -> opened.kernels().linearAdd(x, linear, wide));
            assertThrows(IllegalArgumentException.class, () -> opened.kernels().selectRows(x, new int[] {0}, wide));
            assertThrows(IndexOutOfBoundsException.class, () -> opened.kernels().selectRows(x, new int[] {0, 2}, x));
        }
    }
}
