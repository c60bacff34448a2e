package dev.isthmus.tools.parity;

import java.util.Arrays;
import java.util.Locale;

/** Gathers the comparisons of one check. Not safe for use by several threads. */
final class Comparison {

    private int compared;
    private double worst = -1;
    private String worstOne = "";
    private String fault;

    /** Compares two numbers; a NaN is never near. */
    void near(String what, double expected, double actual, double tolerance) {
        compared++;
        double difference = Math.abs(actual - expected);
        if (!(difference <= tolerance) && fault == null) {
            fault = String.format(Locale.ROOT, "%s: expected %s within %.2g, found %s (difference %.3g)", what,
                    expected, tolerance, actual, difference);
        }
        double share = tolerance == 0 ? (difference == 0 ? 0 : Double.POSITIVE_INFINITY) : difference / tolerance;
        if (share > worst) {
            worst = share;
            worstOne = String.format(Locale.ROOT, "%s: difference %.2g, allowed %.2g", what, difference, tolerance);
        }
    }

    /** Compares two things that must be the same. */
    void equal(String what, Object expected, Object actual) {
        compared++;
        if (!expected.equals(actual) && fault == null) {
            fault = what + ": expected " + expected + ", found " + actual;
        }
    }

    /** Compares two lists of ids. */
    void equal(String what, int[] expected, int[] actual) {
        compared++;
        int at = Arrays.mismatch(expected, actual);
        if (at >= 0 && fault == null) {
            fault = what + ": from index " + at + " on, expected " + from(expected, at) + ", found "
                    + from(actual, at);
        }
    }

    private static String from(int[] ids, int at) {
        int[] rest = Arrays.copyOfRange(ids, at, Math.min(ids.length, at + 8));
        return Arrays.toString(rest) + (ids.length > at + 8 ? "…" : "");
    }

    /** Passed if every comparison held and there was at least one. */
    Outcome outcome() {
        if (fault != null) {
            return Outcome.failed(fault);
        }
        if (compared == 0) {
            return Outcome.failed("nothing was compared");
        }
        return Outcome.passed(worst < 0 ? compared + " compared, all the same" : compared + " compared; " + worstOne);
    }
}
