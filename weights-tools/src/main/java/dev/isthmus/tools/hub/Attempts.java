package dev.isthmus.tools.hub;

import dev.isthmus.tools.io.CommandException;
import java.time.Duration;
import java.util.function.Consumer;

/** Tries again what may work the next time, after pauses that double. */
final class Attempts {

    private static final int MOST = 5;

    /** Nobody waits longer in front of a command; a hub that asks for more is left alone. */
    private static final Duration LONGEST_PAUSE = Duration.ofMinutes(5);

    private final Duration first;
    private final Consumer<String> notices;
    private Duration pause;
    private int failed;

    /**
     * Makes one.
     *
     * @param first the pause after the first failure
     * @param notices told of each failure and pause
     */
    Attempts(Duration first, Consumer<String> notices) {
        this.first = first;
        this.notices = notices;
        progressed();
    }

    /** Something that can fail for a while. */
    @FunctionalInterface
    interface Task<T> {
        T run() throws TransientException;
    }

    /** Runs a task until it succeeds. */
    static <T> T run(Duration first, Consumer<String> notices, Task<T> task) {
        Attempts attempts = new Attempts(first, notices);
        while (true) {
            try {
                return task.run();
            } catch (TransientException e) {
                attempts.failed(e);
            }
        }
    }

    /** Whatever failed before, it has got further since. */
    void progressed() {
        failed = 0;
        pause = first;
    }

    /**
     * Waits after a failure.
     *
     * @throws CommandException if it was one too many
     */
    void failed(TransientException failure) {
        failed++;
        Duration wait = failure.pause().orElse(pause);
        if (failed == MOST || wait.compareTo(LONGEST_PAUSE) > 0) {
            String tried = failed == 1 ? "" : " (tried " + failed + " times)";
            throw new CommandException(failure.getMessage() + tried + "; try again later, what has been downloaded so"
                    + " far is kept", failure);
        }
        notices.accept(failure.getMessage() + "; trying again in " + Math.max(1, wait.toSeconds()) + " s");
        try {
            Thread.sleep(wait);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CommandException("interrupted while waiting for the next attempt", e);
        }
        pause = pause.multipliedBy(2);
    }
}
