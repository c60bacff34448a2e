package dev.isthmus.engine.sampling;

import dev.isthmus.engine.collections.LongHeap;
import dev.isthmus.engine.errors.InvalidInputException;
import java.util.Arrays;

/**
 * The tokens that may be drawn and their weights, from logits by temperature and {@link Truncation}; computed in
 * double. Keeps its memory from call to call. Used by one thread.
 */
final class Candidates {

    /** Weights are summed in blocks, so that a draw need not go through all of them. */
    private static final int BLOCK = 64;

    private final double temperature;
    private final Truncation truncation;

    /** One for each token in proportion to its probability, 0 for what may not be drawn. */
    private double[] weights = new double[0];
    private double[] sums = new double[0];
    private double total;
    private long[] keys = new long[0];

    /** Makes one; the temperature is above 0. */
    Candidates(double temperature, Truncation truncation) {
        this.temperature = temperature;
        this.truncation = truncation;
    }

    /** The weight of a token, in proportion to its probability; the largest logit's is 1 and an excluded token's 0. */
    double weight(int id) {
        return weights[id];
    }

    /** The sum of the weights. */
    double total() {
        return total;
    }

    /**
     * Selects the candidates among V logits.
     *
     * @param logits none of them NaN or +∞
     * @param max the largest, finite
     */
    void select(float[] logits, float max) {
        if (weights.length != logits.length) {
            weights = new double[logits.length];
            keys = new long[logits.length];
            sums = new double[(logits.length + BLOCK - 1) / BLOCK];
        }
        Exponentials.of(logits, max, temperature, weights);
        if (truncation.topK() > 0 && truncation.topK() < logits.length) {
            keepTopK(logits);
        }
        sum();
        if (truncation.topP() < 1) {
            keepTopP(logits);
            sum();
        }
        if (truncation.minP() > 0) {
            keepMinP();
            sum();
        }
        if (truncation.typicalP() < 1) {
            keepTypicalP(logits, max);
            sum();
        }
    }

    /**
     * The first token, in ascending order of ids, at which the sum of the weights exceeds {@code u} of their total.
     *
     * @param u in [0, 1)
     */
    int draw(double u) {
        double target = u * total;
        double sum = 0;
        int block = 0;
        for (int b = 0; b < sums.length; b++) {
            if (sums[b] > 0) {
                block = b;
                if (sum + sums[b] > target) {
                    break;
                }
                sum += sums[b];
            }
        }
        // Rounding may put the target at the total or at the block's end: some candidate is drawn nevertheless.
        int drawn = -1;
        int end = Math.min((block + 1) * BLOCK, weights.length);
        for (int id = block * BLOCK; id < end && (drawn < 0 || sum <= target); id++) {
            if (weights[id] > 0) {
                drawn = id;
                sum += weights[id];
            }
        }
        return drawn;
    }

    /** Sums by block, each by four sums side by side: an order that is the same everywhere. */
    private void sum() {
        total = 0;
        for (int b = 0, from = 0; b < sums.length; b++, from += BLOCK) {
            sums[b] = sum(weights, from, Math.min(from + BLOCK, weights.length));
            total += sums[b];
        }
    }

    private static double sum(double[] values, int from, int to) {
        double first = 0;
        double second = 0;
        double third = 0;
        double fourth = 0;
        int i = from;
        for (; i + 3 < to; i += 4) {
            first += values[i];
            second += values[i + 1];
            third += values[i + 2];
            fourth += values[i + 3];
        }
        for (; i < to; i++) {
            first += values[i];
        }
        return first + second + (third + fourth);
    }

    private void keepTopK(float[] logits) {
        float threshold = logits[LogitKeys.id(LogitKeys.largest(logits, truncation.topK(), keys).least())];
        for (int id = 0; id < logits.length; id++) {
            if (logits[id] < threshold) {
                weights[id] = 0;
            }
        }
    }

    /**
     * Keeps tokens from the likeliest on until they have p of the total. Among equal logits the lower id stays first
     * (transformers leaves that to an unstable sort), so that a small p means greedy.
     */
    private void keepTopP(float[] logits) {
        // All tokens below this weight together cannot exceed what goes: only the others need an order.
        double certain = (1 - truncation.topP()) * total / weights.length * (1 - 1e-9);
        int uncertain = 0;
        for (int id = 0; id < weights.length; id++) {
            if (weights[id] >= certain && weights[id] > 0) {
                // The complement, so that the likeliest is on top of the heap.
                keys[uncertain++] = ~LogitKeys.key(logits[id], id);
            }
        }
        double enough = truncation.topP() * total;
        LongHeap heap = new LongHeap(keys, uncertain);
        double kept = 0;
        long last;
        do {
            last = ~heap.takeLeast();
            kept += weights[LogitKeys.id(last)];
        } while (kept < enough && heap.size() > 0);
        for (int id = 0; id < weights.length; id++) {
            if (weights[id] < certain || LogitKeys.key(logits[id], id) < last) {
                weights[id] = 0;
            }
        }
    }

    /** The largest weight is 1 here. */
    private void keepMinP() {
        for (int id = 0; id < weights.length; id++) {
            if (weights[id] < truncation.minP()) {
                weights[id] = 0;
            }
        }
    }

    /**
     * With x the logarithm of a weight, a token's surprise minus the entropy is the mean of x minus x. From the mean
     * on, tokens stay on both sides until they have p of the total, with all that are as near as the last.
     */
    private void keepTypicalP(float[] logits, float max) {
        int count = 0;
        double mean = 0;
        for (int id = 0; id < weights.length; id++) {
            if (weights[id] > 0) {
                keys[count++] = LogitKeys.key(logits[id], id);
                mean += weights[id] / total * logarithm(logits[id], max);
            }
        }
        Arrays.sort(keys, 0, count);
        int above = 0;
        while (above < count && logarithm(logits[LogitKeys.id(keys[above])], max) < mean) {
            above++;
        }
        int below = above - 1;
        double enough = truncation.typicalP() * total;
        double kept = 0;
        double farthest = 0;
        while (kept < enough && (below >= 0 || above < count)) {
            double down = below < 0 ? Double.POSITIVE_INFINITY : distance(logits, keys[below], max, mean);
            double up = above == count ? Double.POSITIVE_INFINITY : distance(logits, keys[above], max, mean);
            kept += weights[LogitKeys.id(down < up ? keys[below--] : keys[above++])];
            farthest = Math.min(down, up);
        }
        for (int id = 0; id < weights.length; id++) {
            if (Math.abs(mean - logarithm(logits[id], max)) > farthest) {
                weights[id] = 0;
            }
        }
    }

    private double distance(float[] logits, long key, float max, double mean) {
        return Math.abs(mean - logarithm(logits[LogitKeys.id(key)], max));
    }

    private double logarithm(float logit, float max) {
        return ((double) logit - max) / temperature;
    }

    /** The id of the largest logit, the lowest such id; checks all logits on the way. */
    static int argmax(float[] logits) {
        if (logits.length == 0) {
            throw new InvalidInputException("sampling: there are no logits");
        }
        int best = 0;
        for (int id = 0; id < logits.length; id++) {
            float logit = logits[id];
            // False for NaN too.
            if (!(logit < Float.POSITIVE_INFINITY)) {
                throw new InvalidInputException("sampling: the logit of token " + id + " is " + logit
                        + ", expected a number below infinity; the weights hold NaN or overflow float32");
            }
            best = logit > logits[best] ? id : best;
        }
        if (logits[best] == Float.NEGATIVE_INFINITY) {
            throw new InvalidInputException("sampling: all " + logits.length + " logits are -Infinity, expected at "
                    + "least one finite logit");
        }
        return best;
    }
}
