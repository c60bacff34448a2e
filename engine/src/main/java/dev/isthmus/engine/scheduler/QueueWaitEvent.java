package dev.isthmus.engine.scheduler;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** The time from when a request is submitted to when it gets its place in the batch. */
@Name("isthmus.QueueWait")
@Label("Queue Wait")
@Description("The time from when a request is submitted to when it gets its place in the batch, or ends before")
@Category("Isthmus")
@StackTrace(false)
final class QueueWaitEvent extends Event {

    @Label("Prompt Tokens")
    int promptTokens;

    @Label("Queue Length")
    @Description("The requests that waited before this one")
    int queueLength;

    @Label("Admitted")
    @Description("Whether the request got its place, and was not cancelled or too late before")
    boolean admitted;

    /** An event that has begun. */
    static QueueWaitEvent begin(int promptTokens, int queueLength) {
        QueueWaitEvent event = new QueueWaitEvent();
        event.promptTokens = promptTokens;
        event.queueLength = queueLength;
        event.begin();
        return event;
    }

    void end(boolean taken) {
        admitted = taken;
        commit();
    }
}
