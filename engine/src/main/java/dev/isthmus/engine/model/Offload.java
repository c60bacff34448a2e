package dev.isthmus.engine.model;

import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * Work of a virtual thread on a platform thread. Native code cannot be suspended, so a virtual thread that computed
 * itself would keep its carrier from all others. It parks instead, and what calls back runs on it: the two threads take
 * turns. An interrupt of the one is an interrupt of the other.
 */
public final class Offload {

    private static final ExecutorService THREADS = new ThreadPoolExecutor(0, Integer.MAX_VALUE, 1, TimeUnit.SECONDS,
            new SynchronousQueue<>(), Thread.ofPlatform().name("isthmus-pass-", 1).daemon().factory());

    /** What the virtual thread takes part in while it runs a callback. */
    private static final ThreadLocal<Offload> CURRENT = new ThreadLocal<>();

    private final BlockingQueue<Runnable> toCaller = new LinkedBlockingQueue<>();
    private final BlockingQueue<Runnable> toWorker = new LinkedBlockingQueue<>();
    /** Null before the platform thread has begun and after it has ended. */
    private Thread worker;
    private boolean callerInterrupted;

    private Offload() {}

    /** Runs work on a platform thread: the calling one, if it is one. */
    public static <R> R call(Supplier<R> work) {
        return call((Executor callbacks) -> work.get());
    }

    /** Runs work on a platform thread: the calling one, if it is one. */
    static void run(Runnable work) {
        call((Executor callbacks) -> {
            work.run();
            return null;
        });
    }

    /**
     * Runs work on a platform thread: the calling one, if it is one.
     *
     * @param work is given what runs a piece of code on the calling thread and returns when that is done
     */
    static <R> R call(Function<Executor, R> work) {
        if (!Thread.currentThread().isVirtual()) {
            return work.apply(Runnable::run);
        }
        Offload outer = CURRENT.get();
        Offload offload = outer == null ? new Offload() : outer;
        FutureTask<R> task = new FutureTask<>(() -> work.apply(offload::runOnCaller));
        if (outer == null) {
            THREADS.execute(() -> offload.work(task));
        }
        CURRENT.set(offload);
        try {
            return offload.exchange(task, offload.toWorker, offload.toCaller);
        } finally {
            if (outer == null) {
                CURRENT.remove();
                if (offload.callerInterrupted) {
                    Thread.currentThread().interrupt();
                }
            }
        }
    }

    private void runOnCaller(Runnable callback) {
        exchange(new FutureTask<>(callback, null), toCaller, toWorker);
    }

    /** Hands a task to the other thread, and does what that one hands back until the task is done. */
    private <R> R exchange(FutureTask<R> task, BlockingQueue<Runnable> to, BlockingQueue<Runnable> from) {
        to.add(() -> {
            task.run();
            // Wakes this thread, or is a turn without work in what follows.
            from.add(() -> {});
        });
        while (!task.isDone()) {
            take(from).run();
        }
        if (task.state() == Future.State.SUCCESS) {
            return task.resultNow();
        }
        switch (task.exceptionNow()) {
            case RuntimeException failure -> throw failure;
            case Error failure -> throw failure;
            case Throwable failure -> throw new IllegalStateException(failure);
        }
    }

    private Runnable take(BlockingQueue<Runnable> queue) {
        boolean workerInterrupted = false;
        try {
            while (true) {
                try {
                    return queue.take();
                } catch (InterruptedException e) {
                    workerInterrupted |= !interruptWorker();
                }
            }
        } finally {
            if (workerInterrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /** Passes an interrupt of the virtual thread on; false on the platform thread. */
    private synchronized boolean interruptWorker() {
        if (Thread.currentThread() == worker) {
            return false;
        }
        callerInterrupted = true;
        if (worker != null) {
            worker.interrupt();
        }
        return true;
    }

    private void work(FutureTask<?> task) {
        synchronized (this) {
            worker = Thread.currentThread();
            if (callerInterrupted) {
                worker.interrupt();
            }
        }
        while (!task.isDone()) {
            take(toWorker).run();
        }
        synchronized (this) {
            worker = null;
        }
        // What the thread does next belongs to another caller.
        Thread.interrupted();
    }
}
