package dev.isthmus.tools.parity;

import java.util.Arrays;
import java.util.NoSuchElementException;

/**
 * Checks of mean cross entropies in nats. llm.c's own bound is 1e-2, for its CUDA kernels; its digits are float32's,
 * and its two programs differ by 2e-6, so 1e-4 is asked for.
 */
final class LossChecks {

    private static final double LLM_C = 1e-4;
    private static final double TRANSFORMER_LENS = 4e-5;

    private LossChecks() {}

    static Check of(PublishedEntry entry) {
        Tree expected = entry.expected();
        int[] ids = entry.inputIds();
        if (expected.has("n_targets")) {
            return check(ids, 1, expected.get("n_targets").integer(), expected.get("mean_cross_entropy").number(),
                    TRANSFORMER_LENS, false);
        }
        for (String name : new String[] {"mean_cross_entropy", "val_loss", "loss"}) {
            if (expected.has(name) && expected.has("B")) {
                int batches = expected.has("num_batches") ? expected.get("num_batches").integer() : 1;
                return check(ids, batches * expected.get("B").integer(), expected.get("T").integer(),
                        expected.get(name).number(), LLM_C, entry.notes().contains("treat as unconfirmed"));
            }
        }
        throw new NoSuchElementException(entry.id() + ": unknown loss " + expected.names());
    }

    /**
     * A text cut into rows of {@code length} inputs, each read from position 0, with the next token as target. All
     * rows are equally long, so the mean of batch means is the mean of all.
     */
    private static Check check(int[] ids, int rows, int length, double loss, double tolerance, boolean unconfirmed) {
        if (ids.length != rows * length + 1) {
            throw new NoSuchElementException("expected " + (rows * length + 1) + " ids, found " + ids.length);
        }
        return subject -> {
            double[] sum = {0};
            for (int row = 0; row < rows; row++) {
                int begin = row * length;
                subject.logits(Arrays.copyOfRange(ids, begin, begin + length),
                        (position, logits) -> sum[0] -= LogSoftmax.of(logits, ids[begin + position + 1]));
            }
            double found = sum[0] / (rows * length);
            Comparison comparison = new Comparison();
            comparison.near("mean cross entropy", loss, found, tolerance);
            Outcome outcome = comparison.outcome();
            return unconfirmed && outcome.status() == Outcome.Status.FAILED
                    ? Outcome.notApplicable("the source is unconfirmed, and this model differs: " + outcome.detail())
                    : outcome;
        };
    }
}
