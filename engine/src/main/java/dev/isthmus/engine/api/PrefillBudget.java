package dev.isthmus.engine.api;

/**
 * How many rows of prompts a step reads. Where nobody generates it is as many as the options allow. Otherwise it is so
 * many that the step takes at most twice as long as one without prompts, by the times of the steps before, but never
 * fewer than {@value #MIN_ROWS}, so that prompts come to their end. Results do not depend on it. Used by one thread.
 */
final class PrefillBudget {

    /** Where the weights' way through the memory bounds a step, so many rows more cost next to nothing. */
    static final int MIN_ROWS = 16;

    /** Rows of the first step with prompts, before it is known what a row costs. */
    private static final int FIRST_ROWS = 32;

    /** A step may take 2 × as long; the rest is for what varies from step to step. */
    private static final double EXTRA = 0.8;

    /** From step to step the rows grow at most so many times: a cost measured on few rows may not hold for many. */
    private static final double GROWTH = 1.5;

    /** After so many steps with prompts, one without is due: its time changes with the texts. */
    private static final int STALE = 64;

    /** The weight of the last time in a running mean. */
    private static final double RECENT = 0.25;

    private final int maxRows;
    private double rows;
    /** The nanoseconds of a step without prompts, and of a row of a prompt; 0 before they are known. */
    private double decodeNanos;
    private double rowNanos;
    private int sinceDecode;

    /** A budget of at most {@code maxRows} rows. */
    PrefillBudget(int maxRows) {
        this.maxRows = maxRows;
        rows = Math.min(maxRows, FIRST_ROWS);
    }

    /** The rows of prompts for the next step, in which {@code decoding} requests generate; 0 to measure one without. */
    int rows(int decoding) {
        if (decoding == 0) {
            return maxRows;
        }
        return decodeNanos == 0 || sinceDecode >= STALE ? 0 : (int) rows;
    }

    /** Takes the time of a step, in which so many requests generated and so many rows of prompts were read. */
    void measured(int decoding, int prefillRows, long nanos) {
        if (decoding == 0) {
            return;
        }
        if (prefillRows == 0) {
            decodeNanos = mean(decodeNanos, nanos);
            sinceDecode = 0;
            return;
        }
        sinceDecode++;
        rowNanos = mean(rowNanos, Math.max(1, (nanos - decodeNanos) / prefillRows));
        double affordable = EXTRA * decodeNanos / rowNanos;
        rows = Math.clamp(affordable, Math.min(MIN_ROWS, maxRows), Math.min(maxRows, GROWTH * Math.max(rows, 1)));
    }

    private static double mean(double before, double now) {
        return before == 0 ? now : before + RECENT * (now - before);
    }
}
