package dev.isthmus.engine.sampling;

import dev.isthmus.engine.collections.LongHeap;

/** Natural logarithms of the probabilities that logits stand for; computed in double. Used by one thread. */
public final class LogProbabilities {

    private double[] weights = new double[0];

    /**
     * The logarithm of the sum of the exponentials: a log-probability is the logit minus this.
     *
     * @param logits V values
     * @throws dev.isthmus.engine.errors.InvalidInputException if one is NaN or +∞, or none is finite
     */
    public double logSumExp(float[] logits) {
        if (weights.length < logits.length) {
            weights = new double[logits.length];
        }
        float max = logits[Candidates.argmax(logits)];
        Exponentials.of(logits, max, 1, weights);
        double sum = 0;
        for (int id = 0; id < logits.length; id++) {
            sum += weights[id];
        }
        return max + StrictMath.log(sum);
    }

    /**
     * The ids of the n largest logits, the largest first, of equal ones the lower id first.
     *
     * @param logits V values, none of them NaN
     * @param n at most V
     */
    public static int[] largest(float[] logits, int n) {
        if (n == 0) {
            return new int[0];
        }
        LongHeap heap = LogitKeys.largest(logits, n, new long[n]);
        int[] ids = new int[n];
        for (int i = n - 1; i >= 0; i--) {
            ids[i] = LogitKeys.id(heap.takeLeast());
        }
        return ids;
    }
}
