package dev.isthmus.engine.kernels.cpu;

import dev.isthmus.engine.checks.Interrupts;
import dev.isthmus.engine.errors.BackendException;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import java.util.function.IntConsumer;

/**
 * A fixed team of threads that share the tasks of one operation after another. The caller works too, so a team of one
 * has no threads of its own. What the tasks are is the caller's choice and must not depend on the team's size: then
 * neither do results.
 *
 * <p>Idle workers spin for some microseconds, since the next operation of a forward pass follows at once, and then
 * park, so that an idle model costs nothing. Each thread begins with a share of neighbouring tasks, since memory is
 * read fastest in one stream, and then helps with what is left of the others': a busy neighbour on one core delays the
 * task that is under way there, not a fixed share of the work. Of several callers at a time, the workers help the one
 * that came last, and each sees to it that its own tasks get done.
 */
public final class WorkerTeam implements AutoCloseable {

    /** About 20 µs: the longest usual gap between two operations, less than it costs to wake a thread. */
    private static final int SPINS = 2_000;

    private static final String COMPUTING = "computing a forward pass";

    private final Worker[] workers;
    private volatile Job current;
    private volatile boolean closed;

    /**
     * Starts a team.
     *
     * @param size the threads that work, the caller's included; ≥ 1
     * @throws BackendException if the process gets fewer threads; those that were started have been told to end
     */
    public WorkerTeam(int size) {
        this(size, Thread::start);
    }

    /** Starts a team by {@code start}, which throws what {@link Thread#start} throws. */
    WorkerTeam(int size, Consumer<Thread> start) {
        if (size < 1) {
            throw new IllegalArgumentException("a team needs at least one thread, found " + size);
        }
        workers = new Worker[size - 1];
        for (int i = 0; i < workers.length; i++) {
            workers[i] = new Worker(i + 1);
        }
        int started = 0;
        try {
            for (Worker worker : workers) {
                start.accept(worker);
                started++;
            }
        } catch (OutOfMemoryError e) {
            close();
            throw new BackendException("starting threads that compute: expected " + workers.length + ", found that the "
                    + "process gets " + started + " (" + e.getMessage() + "); open the model with fewer threads, close "
                    + "other models, or raise the limit of threads of the user or the container", e);
        }
    }

    /** The threads that work, the caller's included. */
    public int size() {
        return workers.length + 1;
    }

    /**
     * Runs {@code task} once for each of 0..count−1 and returns when all are done. What they wrote is visible to the
     * caller.
     *
     * @throws RuntimeException the first that a task threw; the tasks not begun by then are left out
     * @throws dev.isthmus.engine.errors.CancelledException if the caller is interrupted before the last task has begun
     * @throws IllegalStateException if the team is closed
     */
    public void run(int count, IntConsumer task) {
        if (closed) {
            throw new IllegalStateException("the worker team is closed");
        }
        if (workers.length == 0 || count <= 1) {
            for (int i = 0; i < count; i++) {
                Interrupts.check(COMPUTING);
                task.accept(i);
            }
            return;
        }
        Job job = new Job(count, task, size(), Thread.currentThread());
        current = job;
        for (Worker worker : workers) {
            if (worker.parked) {
                LockSupport.unpark(worker);
            }
        }
        job.work(0);
        job.await();
    }

    /** Ends the threads; idempotent. */
    @Override
    public void close() {
        closed = true;
        for (Worker worker : workers) {
            LockSupport.unpark(worker);
        }
    }

    /**
     * One operation's tasks; threads that come late find nothing left and do no harm. What each thread writes lies on
     * cache lines of its own: where cores are far apart, a line takes a third of a microsecond to come from another.
     */
    private static final class Job {

        /** Twice a cache line, since processors fetch pairs of them. */
        private static final int STRIDE = 128 / Integer.BYTES;

        private final int count;
        private final int threads;
        private final IntConsumer task;
        private final Thread caller;
        /** For each thread how many tasks of its share have been begun, by any thread, and how many it has done. */
        private final AtomicIntegerArray counters;
        private volatile boolean callerParked;
        private volatile Throwable failure;

        Job(int count, IntConsumer task, int threads, Thread caller) {
            this.count = count;
            this.task = task;
            this.threads = threads;
            this.caller = caller;
            this.counters = new AtomicIntegerArray((threads + 1) * STRIDE);
        }

        private static int begun(int thread) {
            return (thread + 1) * STRIDE;
        }

        private static int done(int thread) {
            return begun(thread) + 1;
        }

        /** Does the tasks of a thread's own share, then those of the others in turn. */
        void work(int own) {
            int ran = 0;
            for (int i = 0; i < threads; i++) {
                int share = (own + i) % threads;
                int first = firstOf(share);
                int size = firstOf(share + 1) - first;
                for (int n = next(share); n < size; n = next(share)) {
                    run(first + n);
                    ran++;
                }
            }
            counters.set(done(own), ran);
            if (callerParked) {
                LockSupport.unpark(caller);
            }
        }

        private int next(int share) {
            return counters.getAndIncrement(begun(share));
        }

        private int firstOf(int share) {
            return (int) ((long) count * share / threads);
        }

        private void run(int n) {
            try {
                if (failure == null) {
                    Interrupts.check(caller, COMPUTING);
                    task.accept(n);
                }
            } catch (Throwable thrown) {
                failure = thrown;
            }
        }

        private boolean isDone() {
            int sum = 0;
            for (int thread = 0; thread < threads; thread++) {
                sum += counters.get(done(thread));
            }
            return sum == count;
        }

        void await() {
            for (int spins = 0; !isDone(); spins++) {
                if (spins < SPINS) {
                    Thread.onSpinWait();
                } else {
                    callerParked = true;
                    if (!isDone()) {
                        LockSupport.park(this);
                    }
                }
            }
            switch (failure) {
                case null -> { }
                case RuntimeException exception -> throw exception;
                case Error error -> throw error;
                case Throwable other -> throw new IllegalStateException(other);
            }
        }
    }

    private final class Worker extends Thread {

        private final int number;
        private volatile boolean parked;

        Worker(int number) {
            super(null, null, "isthmus-worker-" + number, 0, false);
            this.number = number;
            setDaemon(true);
        }

        @Override
        public void run() {
            Job last = null;
            while (!closed) {
                Job job = nextAfter(last);
                if (job != null) {
                    job.work(number);
                    last = job;
                }
            }
        }

        private Job nextAfter(Job last) {
            for (int spins = 0; spins < SPINS; spins++) {
                if (current != last) {
                    return current;
                }
                Thread.onSpinWait();
            }
            parked = true;
            if (current == last && !closed) {
                LockSupport.park(WorkerTeam.this);
            }
            parked = false;
            return current != last ? current : null;
        }
    }
}
