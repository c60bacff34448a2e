package dev.isthmus.tools.parity;

import dev.isthmus.engine.api.ForwardObserver;
import java.util.Locale;

/**
 * Checks against transformer-explainer, which runs GPT-2's weights with the activation {@code gelu} in float32 in a
 * browser. It states no tolerances. Logits lie between −50 and −150 and are compared to 2e-2; attention probabilities
 * to 1e-4 in block 0, which stands on nothing but the embedding, and to 2e-3 in the others. The raw products of queries
 * and keys are compared by their differences within a row, which is what attention depends on, after the scaling.
 */
final class ExplainerChecks {

    private static final double LOGIT = 2e-2;
    private static final double FIRST_BLOCK = 1e-4;
    private static final double OTHER_BLOCKS = 2e-3;

    /** √D, by which transformer-explainer's scores are divided: D is 64. */
    private static final double ROOT_OF_HEAD_CHANNELS = 8;

    private ExplainerChecks() {}

    /** The summary of an example among the published entries. */
    static Check summary(PublishedEntry entry) {
        Tree expected = entry.expected();
        int[] ids = entry.inputIds();
        double[] first = expected.get("first8").numbers();
        int[] top = expected.get("top10").list().stream().mapToInt(each -> each.list().getFirst().integer()).toArray();
        double[] topLogits = expected.get("top10").list().stream().mapToDouble(each -> each.list().get(1).number())
                .toArray();
        int argmax = expected.get("argmax").integer();
        double logSumExp = expected.get("logsumexp").number();
        double sum = expected.get("sum").number();
        double squares = expected.get("sumsq").number();
        double[][] softmax = matrix(expected.get("block0_head0_softmax"));
        double[][] raw = matrix(expected.get("block0_head0_qk_raw"));
        return subject -> {
            Comparison comparison = new Comparison();
            subject.logits(ids, (position, logits) -> {
                if (position == ids.length - 1) {
                    for (int id = 0; id < first.length; id++) {
                        comparison.near("logit of " + id, first[id], logits[id], LOGIT);
                    }
                    for (int i = 0; i < top.length; i++) {
                        comparison.near("logit of " + top[i], topLogits[i], logits[top[i]], LOGIT);
                    }
                    comparison.equal("likeliest token", argmax, LogSoftmax.argmax(logits));
                    comparison.near("logsumexp", logSumExp, LogSoftmax.logSumExp(logits), LOGIT);
                    comparison.near("sum", sum, LogitsChecks.sum(logits), logits.length * LOGIT);
                    comparison.near("sum of squares", squares, LogitsChecks.sumOfSquares(logits),
                            2 * LOGIT * Math.abs(sum));
                }
            });
            subject.observe(ids, new ForwardObserver() {
                @Override
                public boolean wantsAttention(int layer, int head) {
                    return layer == 0 && head == 0;
                }

                @Override
                public void attention(int layer, int head, int position, double[] probabilities) {
                    compareRow(comparison, layer, head, probabilities, softmax[position], raw[position]);
                }
            });
            return comparison.outcome();
        };
    }

    /** An example in full: all logits of the last position, and all attention of all layers and heads. */
    static Check whole(Tree example) {
        int[] ids = example.get("tokenIds").integers();
        double[] values = example.get("last_position_logits").numbers();
        double[][][][] softmax = matrices(example.get("attn_softmax"));
        double[][][][] raw = matrices(example.get("attn_qk_raw"));
        return subject -> {
            Comparison comparison = new Comparison();
            subject.logits(ids, (position, logits) -> {
                for (int id = 0; position == ids.length - 1 && id < values.length; id++) {
                    comparison.near("logit of " + id, values[id], logits[id], LOGIT);
                }
            });
            subject.observe(ids, new ForwardObserver() {
                @Override
                public boolean wantsAttention(int layer, int head) {
                    return layer < softmax.length;
                }

                @Override
                public void attention(int layer, int head, int position, double[] probabilities) {
                    compareRow(comparison, layer, head, probabilities, softmax[layer][head][position],
                            raw[layer][head][position]);
                }
            });
            return comparison.outcome();
        };
    }

    private static void compareRow(Comparison comparison, int layer, int head, double[] probabilities,
            double[] softmax, double[] raw) {
        int position = probabilities.length - 1;
        String where = String.format(Locale.ROOT, "layer %d, head %d, position %d", layer, head, position);
        double probability = layer == 0 ? FIRST_BLOCK : OTHER_BLOCKS;
        double score = layer == 0 ? 10 * FIRST_BLOCK : 10 * OTHER_BLOCKS;
        for (int key = 0; key <= position; key++) {
            comparison.near(where + ", attention to " + key, softmax[key], probabilities[key], probability);
            comparison.near(where + ", score of " + key + " less its own",
                    (raw[key] - raw[position]) / ROOT_OF_HEAD_CHANNELS,
                    Math.log(probabilities[key]) - Math.log(probabilities[position]), score);
        }
    }

    private static double[][] matrix(Tree rows) {
        return rows.list().stream().map(Tree::numbers).toArray(double[][]::new);
    }

    private static double[][][][] matrices(Tree layers) {
        return layers.list().stream()
                .map(heads -> heads.list().stream().map(ExplainerChecks::matrix).toArray(double[][][]::new))
                .toArray(double[][][][]::new);
    }
}
