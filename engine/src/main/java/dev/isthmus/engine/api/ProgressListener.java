package dev.isthmus.engine.api;

/** Is told how far a task has come. */
@FunctionalInterface
public interface ProgressListener {

    /** Hears nothing. */
    ProgressListener NONE = (done, total) -> {};

    /**
     * Told again and again, one call at a time and with growing {@code done}, on threads that do the task: so it should
     * return soon. What it throws ends the task.
     *
     * @param done how much is done
     * @param total how much there is to do in all, &gt; 0
     */
    void update(long done, long total);
}
