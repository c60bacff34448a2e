package dev.isthmus.engine.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Weight matrices of every type on every backend hold the values that {@link Rounding} says, bit for bit. */
@ParameterizedClass
@MethodSource("all")
record WeightTypesTest(TestBackend backend, WeightType type) {

    static Stream<Arguments> all() {
        return TestBackend.all().flatMap(backend -> Arrays.stream(WeightType.values())
                .filter(backend::takesWeights).map(type -> Arguments.of(backend, type)));
    }

    /** Weights to be rounded, and what they are in one matrix. */
    private record Weights(Layout layout, int inputs, int outputs, float[] values) {

        /**
         * Weights of many magnitudes, with what rounding could trip over: blocks of zeros, numbers below the smallest
         * normal one, numbers too large for binary16, and some that are not finite.
         */
        static Weights awkward(Layout layout, int inputs, int outputs) {
            SplittableRandom random = new SplittableRandom(1000L * inputs + outputs);
            float[] values = new float[inputs * outputs];
            for (int n = 0; n < outputs; n++) {
                for (int k = 0; k < inputs; k++) {
                    values[index(layout, inputs, outputs, k, n)] = (float) (random.nextGaussian()
                            * scale((n + k / 32) % 16));
                }
                float odd = switch (n % 13) {
                    case 3 -> Float.NaN;
                    case 5 -> Float.NEGATIVE_INFINITY;
                    case 7 -> Float.POSITIVE_INFINITY;
                    case 9 -> -Float.MAX_VALUE;
                    default -> 0;
                };
                values[index(layout, inputs, outputs, random.nextInt(inputs), n)] = odd;
            }
            return new Weights(layout, inputs, outputs, values);
        }

        private static double scale(int kind) {
            return switch (kind) {
                case 0 -> 0;
                case 1 -> 1e-42;
                case 2 -> 0x1p-101;
                case 3 -> 1e-6;
                case 4 -> 3e4;
                case 5 -> 6e5;
                case 6 -> 1e37;
                default -> 0.1;
            };
        }

        private static int index(Layout layout, int inputs, int outputs, int k, int n) {
            return layout == Layout.IN_OUT ? k * outputs + n : n * inputs + k;
        }

        float get(int k, int n) {
            return values[index(layout, inputs, outputs, k, n)];
        }

        /** Weight (k, n) as rounded: element [n][k]. */
        float[][] rounded(WeightType type) {
            float[][] rounded = new float[outputs][inputs];
            for (int n = 0; n < outputs; n++) {
                for (int k0 = 0; k0 < inputs; k0 += type.blockInputs()) {
                    float[] block = new float[Math.min(type.blockInputs(), inputs - k0)];
                    for (int i = 0; i < block.length; i++) {
                        block[i] = get(k0 + i, n);
                    }
                    Rounding.round(type, block, block.length);
                    System.arraycopy(block, 0, rounded[n], k0, block.length);
                }
            }
            return rounded;
        }

        /** Just inputs [k0, k1) of outputs [n0, n1). */
        Weights part(int k0, int k1, int n0, int n1) {
            float[] part = new float[(k1 - k0) * (n1 - n0)];
            for (int k = k0; k < k1; k++) {
                for (int n = n0; n < n1; n++) {
                    part[index(layout, k1 - k0, n1 - n0, k - k0, n - n0)] = get(k, n);
                }
            }
            return new Weights(layout, k1 - k0, n1 - n0, part);
        }
    }

    /** Weight (k, n) as element [n][k]. */
    private static float[][] weights(Backend opened, Matrix matrix) {
        float[][] weights = new float[matrix.outputs()][matrix.inputs()];
        for (int n = 0; n < weights.length; n++) {
            if (matrix instanceof DeviceMatrix device) {
                opened.tensors().read(device.weight(), (long) n * matrix.inputs(), weights[n]);
                continue;
            }
            for (int k = 0; k < weights[n].length; k++) {
                weights[n][k] = matrix instanceof PackedMatrix packed ? packed.weight(k, n)
                        : PlainMatrix.of(matrix).get(k, n);
            }
        }
        return weights;
    }

    private Matrix packed(TestTensors tensors, Weights weights) {
        return tensors.matrix(type, weights.layout, weights.inputs, weights.outputs, weights.values);
    }

    /** Just what lies in memory, where Java can see it, else the weights. */
    private static byte[] bytes(Backend opened, Matrix matrix) {
        return switch (matrix) {
            case PackedMatrix packed -> packed.data().toArray(ValueLayout.JAVA_BYTE);
            case PlainMatrix plain -> plain.weight().data().toArray(ValueLayout.JAVA_BYTE);
            case DeviceMatrix _ -> {
                ByteBuffer bytes = ByteBuffer.allocate(matrix.inputs() * matrix.outputs() * Float.BYTES);
                for (float[] row : weights(opened, matrix)) {
                    for (float weight : row) {
                        bytes.putInt(Float.floatToIntBits(weight));
                    }
                }
                yield bytes.array();
            }
        };
    }

    @ParameterizedTest
    @CsvSource({"1,1", "3,64", "7,65", "32,63", "33,130", "255,64", "256,40", "257,129", "600,70"})
    void packedWeightsAreTheRoundedOnesBitForBit(int inputs, int outputs) {
        for (Layout layout : Layout.values()) {
            try (Backend opened = backend.open(1); TestTensors tensors = new TestTensors(opened, 1)) {
                Weights weights = Weights.awkward(layout, inputs, outputs);
                Matrix matrix = packed(tensors, weights);
                float[][] found = weights(opened, matrix);
                float[][] rounded = weights.rounded(type);
                for (int n = 0; n < outputs; n++) {
                    for (int k = 0; k < inputs; k++) {
                        // This takes all NaN as one.
                        int expected = Float.floatToIntBits(rounded[n][k]);
                        int bits = Float.floatToIntBits(found[n][k]);
                        if (expected != bits) {
                            assertEquals(rounded[n][k], found[n][k], layout + ": weight (" + k + ", " + n
                                    + "), before " + weights.get(k, n));
                            assertEquals(Integer.toHexString(expected), Integer.toHexString(bits));
                        }
                    }
                }
                tensors.assertGuardsIntact();
            }
        }
    }

    /** Over memory that is not zero, so that what only fills a panel up must be written as well. */
    @ParameterizedTest
    @CsvSource({"7,65", "257,129", "300,70"})
    void allBackendsOfAFormFillAMatrixWithTheSameBytes(int inputs, int outputs) {
        Weights weights = Weights.awkward(Layout.OUT_IN, inputs, outputs);
        try (Backend opened = backend.open(1); Backend first = firstOfTheSameForm(opened);
                TestTensors tensors = new TestTensors(opened, 2); TestTensors firsts = new TestTensors(first, 2)) {
            assertArrayEquals(bytes(first, packed(firsts, weights)), bytes(opened, packed(tensors, weights)));
        }
    }

    private static boolean onHost(Backend opened) {
        try (TestTensors tensors = new TestTensors(opened, 0)) {
            return tensors.isOnHost();
        }
    }

    private static Backend firstOfTheSameForm(Backend opened) {
        return TestBackend.all().map(other -> other.open(1)).filter(other -> {
            boolean same = other.weights().packs() == opened.weights().packs() && onHost(other) == onHost(opened);
            if (!same) {
                other.close();
            }
            return same;
        }).findFirst().orElseThrow();
    }

    @ParameterizedTest
    @CsvSource({"7,65", "257,129", "600,200"})
    void packingInPiecesGivesWhatPackingAtOnceGives(int inputs, int outputs) {
        for (Layout layout : Layout.values()) {
            try (Backend opened = backend.open(1); TestTensors tensors = new TestTensors(opened, 3)) {
                Weights weights = Weights.awkward(layout, inputs, outputs);
                Matrix whole = packed(tensors, weights);
                Matrix pieces = opened.weights().matrix(type, layout, inputs, outputs,
                        opened.weights().allocate(tensors.arena(), opened.weights().matrixBytes(type, inputs, outputs)));
                int depth = Math.ceilDiv(inputs / 3 + 1, type.blockInputs()) * type.blockInputs();
                for (int k = (inputs - 1) / depth * depth; k >= 0; k -= depth) {
                    for (int n = 0; n < outputs; n += PackedMatrix.PANEL) {
                        int k1 = Math.min(k + depth, inputs);
                        int n1 = Math.min(n + PackedMatrix.PANEL, outputs);
                        float[] part = weights.part(k, k1, n, n1).values;
                        opened.weights().pack(pieces, layout, tensors.stored(part), k, k1, n, n1);
                    }
                }
                assertArrayEquals(bytes(opened, whole), bytes(opened, pieces), layout.toString());
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"1,1", "5,33", "130,300", "65,768"})
    void embeddingsAreTheRoundedWeightsPlusThePosition(int vocabulary, int channels) {
        try (Backend opened = backend.open(2); TestTensors tensors = new TestTensors(opened, 4)) {
            int rows = 37;
            Weights wte = new Weights(Layout.OUT_IN, channels, vocabulary, tensors.values(vocabulary * channels, 2));
            float[] wpe = tensors.values(64 * channels, 1);
            int[] ids = IntStream.range(0, rows).map(t -> (29 * t + 3) % vocabulary).toArray();
            RowBatch batch = new RowBatch(tensors.arena());
            batch.add(tensors.cache(1, 1, 1, 64), ids, 0, rows);
            Tensor x = tensors.output(rows, channels);
            opened.kernels().embedding(packed(tensors, wte), tensors.weight(wpe, 64, channels), batch, x);
            float[][] rounded = wte.rounded(type);
            double[] expected = new double[rows * channels];
            for (int i = 0; i < expected.length; i++) {
                double sum = (double) rounded[ids[i / channels]][i % channels] + wpe[i];
                expected[i] = backend.isReference() ? sum : (float) sum;
            }
            assertArrayEquals(expected, tensors.doubles(x));
            tensors.assertGuardsIntact();
        }
    }

    @Test
    void aMatrixTakesAsManyBytesAsItsTypeSays() {
        try (Backend opened = backend.open(1)) {
            // Multiples of all panels and blocks, so that nothing is filled up.
            long bytes = opened.weights().matrixBytes(type, 768, 128);
            int scaleBits = type.isQuantized() ? Short.SIZE : 0;
            long packedBits = 768L * 128 * type.bits() + 768L / type.blockInputs() * 128 * scaleBits;
            boolean plain = !opened.weights().packs() && onHost(opened);
            assertEquals(plain ? 768L * 128 * Float.BYTES : packedBits / 8, bytes);
            assertTrue(opened.weights().matrixBytes(type, 767, 127) <= bytes);
        }
    }
}
