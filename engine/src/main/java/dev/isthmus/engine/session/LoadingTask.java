package dev.isthmus.engine.session;

import dev.isthmus.engine.checks.Interrupts;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.function.Supplier;

/** A part of a model that is read on a thread of its own while the weights are read. Used by one thread. */
final class LoadingTask<R> implements AutoCloseable {

    private final String part;
    private final FutureTask<R> result;
    private final Thread thread;

    /**
     * Begins to read.
     *
     * @param part what is read, for messages
     * @param read reads it; runs at once where the process gets no further thread
     */
    LoadingTask(String part, Supplier<R> read) {
        this.part = part;
        result = new FutureTask<>(read::get);
        thread = Thread.ofPlatform().name("isthmus-load-" + part).daemon().unstarted(result);
        try {
            thread.start();
        } catch (OutOfMemoryError noThread) {
            result.run();
        }
    }

    /**
     * {@return what was read}
     *
     * @throws RuntimeException what reading it threw
     * @throws dev.isthmus.engine.errors.CancelledException if the calling thread is interrupted while it waits
     */
    R join() {
        try {
            return result.get();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw Interrupts.cancelled("reading the " + part);
        } catch (ExecutionException e) {
            switch (e.getCause()) {
                case RuntimeException failure -> throw failure;
                case Error failure -> throw failure;
                case Throwable failure -> throw new IllegalStateException(failure);
            }
        }
    }

    /** Waits for the thread to end; a calling thread that is interrupted interrupts it instead. */
    @Override
    public void close() {
        try {
            thread.join();
        } catch (InterruptedException e) {
            // The task holds nothing that the caller frees, and soon ends by itself.
            result.cancel(true);
            Thread.currentThread().interrupt();
        }
    }
}
