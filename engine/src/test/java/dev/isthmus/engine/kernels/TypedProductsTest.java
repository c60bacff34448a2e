package dev.isthmus.engine.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.isthmus.engine.config.Activation;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Products with weights of every type on every backend against the same scheme in plain Java and double: weights as
 * {@link Rounding} rounds them and, where libisthmus computes with integers, activations as {@code isthmus_quantize}
 * does.
 */
@ParameterizedClass
@MethodSource("dev.isthmus.engine.kernels.WeightTypesTest#all")
record TypedProductsTest(TestBackend backend, WeightType type) {

    private static final double FLOAT_ROUNDING = 0x1p-24;

    /** More than one task of a product. */
    private static final int OUTPUTS = 400;

    /** A product's arguments. */
    private record Case(Layout layout, int rows, int inputs, int outputs, float[] x, float[] weights, float[] bias) {

        static Case of(TestTensors tensors, Layout layout, int rows, int inputs, int outputs) {
            return new Case(layout, rows, inputs, outputs, tensors.values(rows * inputs, 3),
                    tensors.values(inputs * outputs, 1), tensors.values(outputs, 4));
        }

        Linear linear(TestTensors tensors, WeightType type) {
            return new Linear(tensors.matrix(type, layout, inputs, outputs, weights),
                    tensors.weight(bias, outputs));
        }

        /** The weights of output n as they are rounded. */
        float[] rounded(WeightType type, int n) {
            float[] column = new float[inputs];
            for (int k = 0; k < inputs; k++) {
                column[k] = weights[layout == Layout.IN_OUT ? k * outputs + n : n * inputs + k];
            }
            for (int k = 0; k < inputs; k += type.blockInputs()) {
                float[] block = Arrays.copyOfRange(column, k, Math.min(k + type.blockInputs(), inputs));
                Rounding.round(type, block, block.length);
                System.arraycopy(block, 0, column, k, block.length);
            }
            return column;
        }
    }

    /** A row of activations as the product sees it. */
    private double[] activations(Case product, int t, boolean packed) {
        float[] stored = Arrays.copyOfRange(product.x, t * product.inputs, (t + 1) * product.inputs);
        if (backend.isCuda()) {
            Rounding.round(type, stored, stored.length);
        }
        double[] row = new double[product.inputs];
        for (int k = 0; k < row.length; k++) {
            row[k] = stored[k];
        }
        if (packed && type.isQuantized()) {
            for (int k = 0; k < row.length; k += type.blockInputs()) {
                quantize(row, k, Math.min(k + type.blockInputs(), row.length));
            }
        }
        return row;
    }

    private static void quantize(double[] row, int from, int to) {
        float largest = 0;
        for (int k = from; k < to; k++) {
            largest = Math.max(largest, (float) Math.abs(row[k]));
        }
        float scale = largest / 127;
        float inverse = largest > 0x1p-100f ? 127 / largest : 0;
        for (int k = from; k < to; k++) {
            row[k] = Math.rint((float) row[k] * inverse) * scale;
        }
    }

    /** Checks out against sums + bias (+ what was there), each within some roundings of what was added up. */
    private void assertProduct(Case product, boolean packed, float[] before, double[] found) {
        double[][] x = new double[product.rows][];
        for (int t = 0; t < product.rows; t++) {
            x[t] = activations(product, t, packed);
        }
        for (int n = 0; n < product.outputs; n++) {
            float[] w = product.rounded(type, n);
            for (int t = 0; t < product.rows; t++) {
                double sum = product.bias[n] + (before == null ? 0 : before[t * product.outputs + n]);
                double magnitude = Math.abs(sum);
                for (int k = 0; k < w.length; k++) {
                    sum += x[t][k] * w[k];
                    magnitude += Math.abs(x[t][k] * w[k]);
                }
                int i = t * product.outputs + n;
                String where = product.layout + ": row " + t + ", output " + n;
                assertEquals(sum, found[i], 8 * FLOAT_ROUNDING * magnitude, where);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"1,1,1", "1,768,193", "2,5,3", "3,64,17", "7,33,257", "13,300,64", "17,255,70", "100,257,65",
        "4,3072,64"})
    void linearIsTheProductOfTheRoundedNumbersPlusBias(int rows, int inputs, int outputs) {
        for (Layout layout : Layout.values()) {
            try (Backend opened = backend.open(2); TestTensors tensors = new TestTensors(opened, 1)) {
                Case product = Case.of(tensors, layout, rows, inputs, outputs);
                // Blocks whose scale comes from one outlier, and rows of nothing and next to nothing.
                for (int k = 0; k < inputs; k++) {
                    product.x[k] *= k % 40 == 3 ? 50 : 1;
                    if (rows > 2) {
                        product.x[inputs + k] = 0;
                        product.x[2 * inputs + k] *= 1e-40f;
                    }
                }
                Tensor out = tensors.output(rows, outputs);
                opened.kernels().linear(tensors.input(type, product.x, rows, inputs),
                        product.linear(tensors, type), Activation.NONE, out);
                assertProduct(product, opened.weights().packs(), null, tensors.doubles(out));
                tensors.assertGuardsIntact();
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"1,40,65", "5,300,70", "33,64,129"})
    void linearAddAddsTheProductToWhatIsThere(int rows, int inputs, int outputs) {
        try (Backend opened = backend.open(2); TestTensors tensors = new TestTensors(opened, 2)) {
            Case product = Case.of(tensors, Layout.IN_OUT, rows, inputs, outputs);
            float[] before = tensors.values(rows * outputs, 5);
            Tensor out = tensors.activation(before, rows, outputs);
            opened.kernels().linearAdd(tensors.input(type, product.x, rows, inputs),
                    product.linear(tensors, type), out);
            assertProduct(product, opened.weights().packs(), before, tensors.doubles(out));
            tensors.assertGuardsIntact();
        }
    }

    @Test
    void theActivationIsThatOfTheSum() {
        try (Backend opened = backend.open(2); TestTensors tensors = new TestTensors(opened, 3)) {
            Case product = Case.of(tensors, Layout.IN_OUT, 9, 40, 65);
            Linear linear = product.linear(tensors, type);
            Tensor x = tensors.input(type, product.x, 9, 40);
            Tensor sums = tensors.output(9, 65);
            opened.kernels().linear(x, linear, Activation.NONE, sums);
            for (Activation activation : Activation.values()) {
                Tensor out = tensors.output(9, 65);
                opened.kernels().linear(x, linear, activation, out);
                double[] expected = Arrays.stream(tensors.doubles(sums))
                        .map(sum -> ActivationFunction.apply(activation, sum)).toArray();
                tensors.assertClose(expected, out, 4e-6);
            }
        }
    }

    /** Only its own row and column of a product become NaN, whatever the type. */
    @Test
    void whatIsNotANumberStaysInItsRowAndColumn() {
        try (Backend opened = backend.open(2); TestTensors tensors = new TestTensors(opened, 4)) {
            int rows = 7;
            int inputs = 300;
            int outputs = 70;
            Case product = Case.of(tensors, Layout.IN_OUT, rows, inputs, outputs);
            product.x[2 * inputs + 290] = Float.NaN;
            product.x[4 * inputs + 5] = Float.POSITIVE_INFINITY;
            product.weights[280 * outputs + 66] = Float.NaN;
            Tensor out = tensors.output(rows, outputs);
            opened.kernels().linear(tensors.input(type, product.x, rows, inputs),
                    product.linear(tensors, type), Activation.NONE, out);
            double[] found = tensors.doubles(out);
            for (int i = 0; i < found.length; i++) {
                int t = i / outputs;
                boolean expected = t != 2 && t != 4 && i % outputs != 66;
                assertEquals(expected, Double.isFinite(found[i]), "row " + t + ", output " + i % outputs + ": "
                        + found[i]);
            }
        }
    }

    @Test
    void bitsDoNotDependOnTheNumberOfThreads() {
        List<double[]> single = products(1, 0, 200, 1, 5, 200);
        List<double[]> several = products(3, 0, 200, 1, 5, 200);
        for (int i = 0; i < single.size(); i++) {
            assertArrayEquals(single.get(i), several.get(i));
        }
    }

    @ParameterizedTest
    @CsvSource({"1,0,0", "1,1,64", "23,22,128", "23,23,200", "130,57,70", "130,129,400", "130,0,128"})
    void aPartOfAProductHasTheBitsOfTheWhole(int rows, int first, int column) {
        try (Backend opened = backend.open(2); TestTensors tensors = new TestTensors(opened, 1)) {
            Case product = Case.of(tensors, Layout.IN_OUT, rows, 260, OUTPUTS);
            Linear linear = product.linear(tensors, type);
            Tensor x = tensors.input(type, product.x, rows, product.inputs);
            Tensor whole = tensors.output(rows, OUTPUTS);
            Tensor part = tensors.output(rows, OUTPUTS);
            opened.kernels().linear(x, linear, Activation.NONE, whole);
            opened.kernels().linearPart(x, linear, first, column, part);
            double[] expected = tensors.doubles(whole);
            double[] found = tensors.doubles(part);
            for (int t = 0; t < rows; t++) {
                int from = t * OUTPUTS + (t < first ? column : 0);
                int to = (t + 1) * OUTPUTS;
                assertArrayEquals(Arrays.copyOfRange(expected, from, to), Arrays.copyOfRange(found, from, to),
                        "row " + t);
            }
            tensors.assertGuardsIntact();
        }
    }

    @Test
    void aRowAloneHasTheBitsOfTheRowInABatch() {
        int first = 57;
        double[] batch = products(2, 0, 121, 121).getFirst();
        for (double[] alone : products(2, first, 121, 1, 2, 5, 11)) {
            double[] together = Arrays.copyOfRange(batch, first * OUTPUTS, first * OUTPUTS + alone.length);
            // OpenBLAS and cuBLAS, where they take over, add up in another order.
            assertArrayEquals(together, alone, backend.mayAddInAnotherOrder() ? 1e-4 : 0);
        }
    }

    /** Products of a case of so many rows: for each count, of that many of them from {@code first} on. */
    private List<double[]> products(int threads, int first, int rows, int... counts) {
        try (Backend opened = backend.open(threads); TestTensors tensors = new TestTensors(opened, 5)) {
            Case product = Case.of(tensors, Layout.OUT_IN, rows, 260, OUTPUTS);
            Linear linear = product.linear(tensors, type);
            return Arrays.stream(counts).mapToObj(count -> {
                float[] x = Arrays.copyOfRange(product.x, first * product.inputs, (first + count) * product.inputs);
                Tensor out = tensors.output(count, OUTPUTS);
                opened.kernels().linear(tensors.input(type, x, count, product.inputs), linear, Activation.GELU_TANH,
                        out);
                return tensors.doubles(out);
            }).toList();
        }
    }
}
