package dev.isthmus.tools.commands;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;

/**
 * Work that ends in order when the process is asked to end (Ctrl-C, SIGTERM): it is told, and the process waits for
 * it. Close it when the work is over.
 */
final class Interruption implements AutoCloseable {

    private static final int PATIENCE_SECONDS = 5;

    private final CountDownLatch over = new CountDownLatch(1);
    private final Thread hook;

    private Interruption(Runnable stop, BooleanSupplier worthWaiting) {
        hook = new Thread(() -> {
            stop.run();
            if (!worthWaiting.getAsBoolean()) {
                return;
            }
            try {
                over.await(PATIENCE_SECONDS, TimeUnit.SECONDS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }, "isthmus-interruption");
    }

    /**
     * Begins to watch.
     *
     * @param stop tells the work to end; runs on another thread
     * @param worthWaiting whether the work has come to where it listens; if not, the process ends at once
     */
    static Interruption watch(Runnable stop, BooleanSupplier worthWaiting) {
        Interruption interruption = new Interruption(stop, worthWaiting);
        Runtime.getRuntime().addShutdownHook(interruption.hook);
        return interruption;
    }

    @Override
    public void close() {
        over.countDown();
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException e) {
            // The process is ending, and the hook has just been let go on.
        }
    }
}
