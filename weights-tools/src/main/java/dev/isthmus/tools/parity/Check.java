package dev.isthmus.tools.parity;

/** A check whose expected numbers have been read and that waits for a model. */
@FunctionalInterface
interface Check {

    /** Runs it. */
    Outcome run(Subject subject);
}
