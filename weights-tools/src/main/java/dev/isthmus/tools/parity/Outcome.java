package dev.isthmus.tools.parity;

/**
 * How a check ended.
 *
 * @param status passed, failed or not applicable
 * @param detail the largest difference, the first fault, or why it does not apply
 */
public record Outcome(Status status, String detail) {

    /** The three ends. */
    public enum Status {
        /** The numbers agree. */
        PASSED,
        /** A number differs. */
        FAILED,
        /** The check is not about this model, or lacks a file. */
        NOT_APPLICABLE
    }

    static Outcome passed(String detail) {
        return new Outcome(Status.PASSED, detail);
    }

    static Outcome failed(String detail) {
        return new Outcome(Status.FAILED, detail);
    }

    static Outcome notApplicable(String reason) {
        return new Outcome(Status.NOT_APPLICABLE, reason);
    }
}
