package dev.isthmus.engine.parity;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

/** How far log-probabilities are from a fixture's, over everything that the fixture records of them. */
final class Deviation {

    private final ParityCase expected;
    private int rowsSeen;
    private double worst;
    private String where = "nowhere";

    Deviation(ParityCase expected) {
        this.expected = expected;
    }

    /** Compares one position's logits; the logarithms are taken in double. */
    void accept(int position, double[] logits) {
        double normalizer = logSumExp(logits);
        for (int i = 0; i < expected.positions().length; i++) {
            if (expected.positions()[i] == position) {
                assertEquals(expected.logits()[i].length, logits.length, "vocabulary");
                for (int id = 0; id < logits.length; id++) {
                    compare(expected.logits()[i][id] - expected.logSumExp()[position], logits[id] - normalizer,
                            position, id);
                }
            }
        }
        for (int i = 0; i < expected.sampledIds().length; i++) {
            int id = expected.sampledIds()[i];
            compare(expected.sampledLogProbabilities()[position][i], logits[id] - normalizer, position, id);
        }
        rowsSeen++;
    }

    private void compare(double wanted, double found, int position, int id) {
        double error = Math.abs(wanted - found);
        // A NaN compares as larger than anything.
        if (Double.compare(error, worst) > 0) {
            worst = error;
            where = "log-probability of token " + id + " after position " + position + ": expected " + wanted
                    + ", found " + found;
        }
    }

    /** Fails unless every position was seen and every error is at most {@code bound}; NaN never is. */
    void assertWithin(double bound) {
        assertTrue(worst() <= bound, () -> "expected within " + bound + ", found " + worst + " in the " + where);
    }

    /** The largest error. Fails unless every position was seen. */
    double worst() {
        assertEquals(expected.prompt().length, rowsSeen, "positions computed");
        return worst;
    }

    /** Where the largest error is, in words. */
    String where() {
        return where;
    }

    /** log Σ exp(x). */
    static double logSumExp(double[] x) {
        double max = Double.NEGATIVE_INFINITY;
        for (double value : x) {
            max = Math.max(max, value);
        }
        double sum = 0;
        for (double value : x) {
            sum += Math.exp(value - max);
        }
        return max + Math.log(sum);
    }
}
