package dev.isthmus.tools.parity;

/** Natural log-probabilities from logits, in double. */
final class LogSoftmax {

    private LogSoftmax() {}

    /** ln Σ exp(logit). */
    static double logSumExp(float[] logits) {
        double max = Double.NEGATIVE_INFINITY;
        for (float logit : logits) {
            max = Math.max(max, logit);
        }
        double sum = 0;
        for (float logit : logits) {
            sum += Math.exp(logit - max);
        }
        return max + Math.log(sum);
    }

    /** The log-probability of a token. */
    static double of(float[] logits, int id) {
        return logits[id] - logSumExp(logits);
    }

    /** The likeliest token; the first of equals. */
    static int argmax(float[] logits) {
        int best = 0;
        for (int id = 1; id < logits.length; id++) {
            if (logits[id] > logits[best]) {
                best = id;
            }
        }
        return best;
    }
}
