package dev.isthmus.engine.scheduler;

/** A place that the scheduler's thread passes, where it may run out of memory. */
public enum SchedulerStep {
    /** Removing requests that have ended. */
    REMOVE,
    /** Taking a request into the batch. */
    ADMIT,
    /** Choosing the rows of a pass. */
    PLAN,
    /** Taking memory for the keys and values of a request. */
    RESERVE,
    /** Putting the rows of the requests together. */
    ASSEMBLE,
    /** Before a layer of a pass. */
    LAYER,
    /** Letting others take over what a request has read. */
    PUBLISH,
    /** Choosing a request's next token. */
    CHOOSE
}
