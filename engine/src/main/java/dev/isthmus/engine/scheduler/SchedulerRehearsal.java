package dev.isthmus.engine.scheduler;

import dev.isthmus.engine.session.LoadedModel;
import dev.isthmus.engine.session.MetricsRecorder;
import java.util.List;
import jdk.jfr.FlightRecorder;

/** Loads and initializes the classes that the scheduler's steps use, by steps that no metrics count. */
public final class SchedulerRehearsal {

    private SchedulerRehearsal() {}

    /**
     * Computes requests to their end on the calling thread; one that something goes wrong with has failed by then.
     *
     * @param limits has a place in the batch for each request
     */
    public static void run(LoadedModel model, BatchLimits limits, List<? extends ScheduledRequest> requests) {
        if (FlightRecorder.isInitialized()) {
            QueueWaitEvent.begin(0, 0);
        }
        MetricsRecorder.loadEvents();
        CacheDemand demand = CacheDemand.of(model);
        try (Scheduler scheduler = new Scheduler(model, limits, demand, MetricsRecorder.unrecorded(), step -> {})) {
            for (ScheduledRequest each : requests) {
                scheduler.hasRoomFor(each);
                scheduler.admit(each);
            }
            // The caller's interrupt is the caller's, and ends every pass.
            while (scheduler.hasWork() && !Thread.currentThread().isInterrupted()) {
                scheduler.step();
                scheduler.removeEnded();
            }
        }
    }
}
