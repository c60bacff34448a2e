package dev.isthmus.engine.sampling;

import dev.isthmus.engine.errors.InvalidInputException;
import java.util.Arrays;

/**
 * The tokens that may be drawn and their weights, from logits by temperature, top-k and top-p in this order, as Hugging
 * Face transformers' TemperatureLogitsWarper, TopKLogitsWarper and TopPLogitsWarper define them; computed in double.
 * Keeps its memory from call to call. Used by one thread.
 */
final class Candidates {

    private final double temperature;
    private final int topK;
    private final double topP;

    private int[] ids = new int[0];
    private double[] weights = new double[0];
    private int size;
    private double total;
    private float[] largest = new float[0];
    private long[] order = new long[0];

    /** Makes one; the values are those of {@link Sampler}, the temperature above 0. */
    Candidates(double temperature, int topK, double topP) {
        this.temperature = temperature;
        this.topK = topK;
        this.topP = topP;
    }

    /** The number of candidates, at least 1 after {@link #select}. */
    int size() {
        return size;
    }

    /** The id of a candidate; ascending. */
    int id(int index) {
        return ids[index];
    }

    /** The weight of a candidate, in proportion to its probability; the largest of all tokens' is 1. */
    double weight(int index) {
        return weights[index];
    }

    /** The sum of the weights, added in ascending order of ids. */
    double total() {
        return total;
    }

    /** Selects the candidates among V logits, none of them NaN or +∞ and at least one of them finite. */
    void select(float[] logits) {
        if (ids.length < logits.length) {
            ids = new int[logits.length];
            weights = new double[logits.length];
        }
        float threshold = topK > 0 && topK < logits.length ? kthLargest(logits) : Float.NEGATIVE_INFINITY;
        float max = logits[0];
        for (float logit : logits) {
            max = Math.max(max, logit);
        }
        size = 0;
        for (int id = 0; id < logits.length; id++) {
            if (logits[id] >= threshold && logits[id] > Float.NEGATIVE_INFINITY) {
                ids[size] = id;
                // The difference first: the quotient alone may overflow at a small temperature.
                weights[size++] = StrictMath.exp(((double) logits[id] - max) / temperature);
            }
        }
        sum();
        if (topP < 1) {
            keepTopP(logits);
            sum();
        }
    }

    private void sum() {
        total = 0;
        for (int i = 0; i < size; i++) {
            total += weights[i];
        }
    }

    /** The k-th largest logit, by a heap of the k largest so far with the least of them on top. */
    private float kthLargest(float[] logits) {
        if (largest.length < topK) {
            largest = new float[topK];
        }
        System.arraycopy(logits, 0, largest, 0, topK);
        for (int at = topK / 2 - 1; at >= 0; at--) {
            siftDown(at, largest[at]);
        }
        for (int id = topK; id < logits.length; id++) {
            if (logits[id] > largest[0]) {
                siftDown(0, logits[id]);
            }
        }
        return largest[0];
    }

    private void siftDown(int from, float value) {
        int at = from;
        while (2 * at + 1 < topK) {
            int child = 2 * at + 1;
            if (child + 1 < topK && largest[child + 1] < largest[child]) {
                child++;
            }
            if (largest[child] >= value) {
                break;
            }
            largest[at] = largest[child];
            at = child;
        }
        largest[at] = value;
    }

    /**
     * Removes, in ascending order of logits, the candidates whose cumulative probability is at most 1 - p, but never
     * the last. Among equal logits the higher id goes first (transformers leaves that to an unstable sort), so that a
     * small p means greedy.
     */
    private void keepTopP(float[] logits) {
        double removable = (1 - topP) * total;
        // All candidates below this weight together cannot exceed what may be removed: only the others need sorting.
        double certain = removable / size * (1 - 1e-9);
        if (order.length < size) {
            order = new long[size];
        }
        double cumulative = 0;
        int uncertain = 0;
        for (int i = 0; i < size; i++) {
            if (weights[i] < certain) {
                cumulative += weights[i];
            } else {
                order[uncertain++] = (long) ascendingBits(logits[ids[i]]) << 32 | size - 1 - i;
            }
        }
        Arrays.sort(order, 0, uncertain);
        int first = 0;
        while (first < uncertain - 1) {
            cumulative += weights[size - 1 - (int) order[first]];
            if (cumulative > removable) {
                break;
            }
            first++;
        }
        int kept = uncertain - first;
        for (int i = 0; i < kept; i++) {
            order[i] = size - 1 - (int) order[first + i];
        }
        Arrays.sort(order, 0, kept);
        for (int i = 0; i < kept; i++) {
            ids[i] = ids[(int) order[i]];
            weights[i] = weights[(int) order[i]];
        }
        size = kept;
    }

    /** An int that orders as the float does, 0 and -0 alike. */
    private static int ascendingBits(float value) {
        int bits = Float.floatToRawIntBits(value + 0f);
        return bits ^ bits >> 31 & Integer.MAX_VALUE;
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
