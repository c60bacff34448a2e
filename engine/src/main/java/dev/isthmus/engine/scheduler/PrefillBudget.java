package dev.isthmus.engine.scheduler;

/**
 * How many rows of prompts a step reads. Where nobody generates it is as many as the options allow. Otherwise it is so
 * many that the step takes at most twice as long as one without prompts, by the times of the steps before, but never
 * fewer than {@value #MIN_ROWS}, so that prompts come to their end. Results do not depend on it. Used by one thread.
 */
final class PrefillBudget {

    /** Where reading the weights bounds a step, this many more rows cost next to nothing. */
    static final int MIN_ROWS = 4;

    /** Rows of the first step with prompts, before it is known what a row costs. */
    private static final int FIRST_ROWS = 32;

    /** How many times as long as one without prompts a step with prompts may take. */
    private static final double MAX_RATIO = 2;

    /** Below this part of what a step may take, the next one reads more rows. */
    private static final double ROOM = 0.9;

    /** How the rows grow from step to step: fast at first, slowly near the number that once was too many. */
    private static final double FAST_GROWTH = 1.5;
    private static final double SLOW_GROWTH = 1.03;

    /** After this many steps with prompts, one without is due: its time changes with the texts. */
    private static final int STALE = 64;

    /** The weight of the last time in a running mean. */
    private static final double RECENT = 0.25;

    private final int maxRows;
    private final int minRows;
    private double rows;
    /** The rows from which on they grow slowly. */
    private double threshold;
    /** The nanoseconds of a step without prompts; 0 before they are known. */
    private double decodeNanos;
    private int sinceDecode;

    /** A budget of at most {@code maxRows} rows. */
    PrefillBudget(int maxRows) {
        this.maxRows = maxRows;
        minRows = Math.min(MIN_ROWS, maxRows);
        rows = Math.min(maxRows, FIRST_ROWS);
        threshold = maxRows;
    }

    /** The rows of prompts for the next step, in which {@code decoding} requests generate; 0 to measure one without. */
    int rows(int decoding) {
        if (decoding == 0) {
            return maxRows;
        }
        return decodeNanos == 0 || sinceDecode >= STALE ? 0 : (int) rows;
    }

    /** Takes the time of a step, with its number of requests that generated and of prompt rows that were read. */
    void measured(int decoding, int prefillRows, long nanos) {
        if (decoding == 0) {
            return;
        }
        if (prefillRows == 0) {
            decodeNanos = decodeNanos == 0 ? nanos : decodeNanos + RECENT * (nanos - decodeNanos);
            sinceDecode = 0;
            return;
        }
        sinceDecode++;
        double maxNanos = MAX_RATIO * decodeNanos;
        if (nanos > maxNanos) {
            double affordable = (ROOM * maxNanos - decodeNanos) / (nanos - decodeNanos);
            rows = Math.max(minRows, Math.min(rows, prefillRows * affordable));
            threshold = rows;
        } else if (nanos < ROOM * maxNanos && prefillRows >= (int) rows) {
            rows = Math.min(maxRows, rows * (rows < threshold ? FAST_GROWTH : SLOW_GROWTH));
        }
    }
}
