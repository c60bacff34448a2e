package dev.isthmus.tools.parity;

import java.util.Arrays;
import java.util.NoSuchElementException;
import java.util.stream.IntStream;

/**
 * Checks of logits. Tolerances are those that the entries state for a float32 engine. Where an entry states none, or
 * one that float32 implementations cannot promise each other, it is 1e-3: GPT-2's logits lie around −100, and
 * fasm-top5-last-pos states that it observed differences up to 2.9e-4 there.
 */
final class LogitsChecks {

    private static final double FLOAT32 = 1e-3;

    /** What cuda-hello-eot-1234 states. */
    private static final double CUDA_SOURCE = 1e-2;

    private LogitsChecks() {}

    static Check of(PublishedEntry entry) {
        Tree expected = entry.expected();
        int[] ids = entry.inputIds();
        if (expected.has("sum_all_50257_logits")) {
            return wholeRow(expected, ids);
        } else if (expected.has("mean_all_201028_logits")) {
            return spotsAndMean(expected, ids);
        } else if (expected.has("argmax_per_position")) {
            return firstFive(expected, ids);
        } else if (expected.has("slice")) {
            return slice(expected, ids);
        } else if (expected.has("logits_pos0_first5")) {
            double[] values = expected.get("logits_pos0_first5").numbers();
            return run(ids, (row, position, logits) -> {
                if (position == 0) {
                    nearFirst(row, position, logits, values, FLOAT32);
                }
            });
        } else if (expected.has("logit_at_argmax")) {
            int argmax = expected.get("argmax").integer();
            double value = expected.get("logit_at_argmax").number();
            return run(ids, (row, position, logits) -> {
                if (position == ids.length - 1) {
                    row.equal("likeliest token", argmax, LogSoftmax.argmax(logits));
                    row.near("logit of " + argmax, value, logits[argmax], FLOAT32);
                }
            });
        } else if (expected.has("top5_logits")) {
            return topFive(expected, ids);
        }
        throw new NoSuchElementException(entry.id() + ": unknown logits " + expected.names());
    }

    /** Compares one row of logits. */
    private interface Row {
        void compare(Comparison comparison, int position, float[] logits);
    }

    private static Check run(int[] ids, Row row) {
        return subject -> {
            Comparison comparison = new Comparison();
            subject.logits(ids, (position, logits) -> row.compare(comparison, position, logits));
            return comparison.outcome();
        };
    }

    private static void nearFirst(Comparison comparison, int position, float[] logits, double[] values,
            double tolerance) {
        for (int id = 0; id < values.length; id++) {
            comparison.near("logit of " + id + " at position " + position, values[id], logits[id], tolerance);
        }
    }

    /**
     * The float64 row. An error of ε in each logit moves the sum by at most V ε and the sum of squares by at most
     * 2 ε Σ|logit|, which the bounds on the two follow from.
     */
    private static Check wholeRow(Tree expected, int[] ids) {
        int at = expected.get("position").integer();
        int[] spots = expected.get("logits").names().stream().mapToInt(Integer::parseInt).toArray();
        double[] values = Arrays.stream(spots)
                .mapToDouble(id -> expected.get("logits").get(Integer.toString(id)).number()).toArray();
        double sum = expected.get("sum_all_50257_logits").number();
        double squares = expected.get("sumsq_all_50257_logits").number();
        int argmax = expected.get("argmax").integer();
        return run(ids, (row, position, logits) -> {
            if (position == at) {
                for (int i = 0; i < spots.length; i++) {
                    row.near("logit of " + spots[i], values[i], logits[spots[i]], FLOAT32);
                }
                row.near("sum of the logits", sum, sum(logits), logits.length * FLOAT32);
                row.near("sum of their squares", squares, sumOfSquares(logits), 2 * FLOAT32 * Math.abs(sum));
                row.equal("likeliest token", argmax, LogSoftmax.argmax(logits));
            }
        });
    }

    static double sum(float[] values) {
        return IntStream.range(0, values.length).mapToDouble(i -> values[i]).sum();
    }

    static double sumOfSquares(float[] values) {
        return IntStream.range(0, values.length).mapToDouble(i -> (double) values[i] * values[i]).sum();
    }

    private static Check spotsAndMean(Tree expected, int[] ids) {
        Tree spots = expected.get("logits_pos0");
        int[] at = spots.names().stream().mapToInt(Integer::parseInt).toArray();
        double[] values = Arrays.stream(at).mapToDouble(id -> spots.get(Integer.toString(id)).number()).toArray();
        double mean = expected.get("mean_all_201028_logits").number();
        double meanTolerance = expected.get("mean_tolerance").number();
        return subject -> {
            Comparison comparison = new Comparison();
            double[] sum = {0, 0};
            subject.logits(ids, (position, logits) -> {
                for (int i = 0; position == 0 && i < at.length; i++) {
                    comparison.near("logit of " + at[i], values[i], logits[at[i]], FLOAT32);
                }
                sum[0] += sum(logits);
                sum[1] += logits.length;
            });
            comparison.near("mean of all logits", mean, sum[0] / sum[1], meanTolerance);
            return comparison.outcome();
        };
    }

    private static Check firstFive(Tree expected, int[] ids) {
        double[] first = expected.get("logits_pos0_vocab0to4").numbers();
        double[] third = expected.get("logits_pos2_vocab0to4").numbers();
        int[] argmax = expected.get("argmax_per_position").integers();
        return run(ids, (row, position, logits) -> {
            if (position == 0) {
                nearFirst(row, position, logits, first, CUDA_SOURCE);
            } else if (position == 2) {
                nearFirst(row, position, logits, third, CUDA_SOURCE);
            }
            row.equal("likeliest token at position " + position, argmax[position], LogSoftmax.argmax(logits));
        });
    }

    /** Bumblebee's: positions and ids 1 to 3, with its bound of 1e-4 absolute and 1e-4 relative. */
    private static Check slice(Tree expected, int[] ids) {
        double[][] values = expected.get("values").list().stream().map(Tree::numbers).toArray(double[][]::new);
        return run(ids, (row, position, logits) -> {
            for (int i = 0; position >= 1 && position <= values.length && i < values[0].length; i++) {
                double value = values[position - 1][i];
                row.near("logit of " + (i + 1) + " at position " + position, value, logits[i + 1],
                        1e-4 + 1e-4 * Math.abs(value));
            }
        });
    }

    private static Check topFive(Tree expected, int[] ids) {
        int at = expected.get("position").integer();
        int[] top = expected.get("top5_ids").integers();
        double[] values = expected.get("top5_logits").numbers();
        return run(ids, (row, position, logits) -> {
            if (position == at) {
                row.equal("likeliest tokens", top, top(logits, top.length));
                for (int i = 0; i < top.length; i++) {
                    row.near("logit of " + top[i], values[i], logits[top[i]], FLOAT32);
                }
            }
        });
    }

    /** The likeliest tokens, likeliest first; the lower id first among equals. */
    static int[] top(float[] logits, int count) {
        return IntStream.range(0, logits.length).boxed()
                .sorted((a, b) -> logits[a] == logits[b] ? Integer.compare(a, b) : Float.compare(logits[b], logits[a]))
                .limit(count).mapToInt(Integer::intValue).toArray();
    }
}
