package dev.isthmus.engine.parity;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;

import dev.isthmus.engine.api.ForwardObserver;
import java.util.Arrays;

/** Keeps what an observer sees of the prompt's last position and compares it with a fixture. */
final class Observed implements ForwardObserver {

    private final ParityCase expected;
    private final double[][] states;
    private final double[][][] attention;

    Observed(ParityCase expected) {
        this.expected = expected;
        states = new double[expected.hiddenStates().length][];
        attention = new double[expected.attention().length][expected.attention()[0].length][];
    }

    @Override
    public void hiddenState(int boundary, int position, double[] values) {
        if (position == expected.prompt().length - 1) {
            states[boundary] = values;
        }
    }

    @Override
    public boolean wantsAttention(int layer, int head) {
        return true;
    }

    @Override
    public void attention(int layer, int head, int position, double[] probabilities) {
        if (position == expected.prompt().length - 1) {
            attention[layer][head] = probabilities;
        }
    }

    /** The residual streams agree within {@code bound} times their largest magnitude. */
    void assertStates(double bound) {
        for (int boundary = 0; boundary < states.length; boundary++) {
            double[] x = states[boundary];
            double[] wanted = expected.hiddenStates()[boundary];
            String where = " at boundary " + boundary;
            assertNotNull(x, "the residual stream" + where);
            double largest = wanted[3];
            assertEquals(wanted[0], x[0], bound * largest, "first element" + where);
            assertEquals(wanted[1], Arrays.stream(x).sum(), bound * largest * Math.sqrt(x.length), "sum" + where);
            assertEquals(wanted[2], squares(x), bound * 2 * wanted[2], "sum of squares" + where);
            assertEquals(largest, Arrays.stream(x).map(Math::abs).max().orElseThrow(), bound * largest,
                    "largest magnitude" + where);
        }
    }

    /** The attention weights agree within {@code bound}. */
    void assertAttention(double bound) {
        for (int layer = 0; layer < attention.length; layer++) {
            for (int head = 0; head < attention[layer].length; head++) {
                double[] weights = attention[layer][head];
                double[] wanted = expected.attention()[layer][head];
                String where = " of layer " + layer + ", head " + head;
                assertNotNull(weights, "the attention" + where);
                assertEquals(expected.prompt().length, weights.length, "positions" + where);
                assertEquals(wanted[0], Arrays.stream(weights).max().orElseThrow(), bound, "largest weight" + where);
                assertEquals(wanted[1], squares(weights), 2 * bound, "sum of squares" + where);
                assertEquals(1, Arrays.stream(weights).sum(), 1e-12, "sum" + where);
            }
        }
    }

    private static double squares(double[] x) {
        return Arrays.stream(x).map(value -> value * value).sum();
    }
}
