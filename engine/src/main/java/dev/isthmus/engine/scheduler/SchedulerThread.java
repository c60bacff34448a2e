package dev.isthmus.engine.scheduler;

import dev.isthmus.engine.errors.ClosedException;
import dev.isthmus.engine.errors.ConcurrentUseException;
import dev.isthmus.engine.errors.DeadlineExceededException;
import dev.isthmus.engine.session.LoadedModel;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import jdk.jfr.FlightRecorder;

/**
 * The thread that computes the scheduler's steps, and the queue of the requests that wait for a place in the batch. Any
 * number of threads may use it. Every request that is taken ends, also when the Java heap is full for a while.
 */
public final class SchedulerThread {

    private final LoadedModel model;
    private final BatchLimits limits;
    private final CacheDemand demand;
    private final Scheduler scheduler;
    private final ResultThread results = new ResultThread();
    private final Thread thread;
    private final ReentrantLock lock = new ReentrantLock(true);
    private final Condition notFull = lock.newCondition();
    private final RequestQueue queue = new RequestQueue();
    private boolean closing;

    /**
     * A thread that has not started.
     *
     * @param probe told by the thread where it is
     */
    public SchedulerThread(LoadedModel model, BatchLimits limits, Consumer<SchedulerStep> probe) {
        this.model = model;
        this.limits = limits;
        demand = CacheDemand.of(model);
        scheduler = new Scheduler(model, limits, demand, model.recorder(), probe);
        thread = new ComputingThread(this::run);
    }

    /** The thread that computes for all callers of an executor. */
    private static final class ComputingThread extends Thread {

        ComputingThread(Runnable work) {
            super(work, "isthmus-batch");
            setDaemon(true);
        }
    }

    /** Whether a thread computes for the callers of an executor, any one. */
    public static boolean isComputing(Thread thread) {
        return thread instanceof ComputingThread;
    }

    /**
     * Starts the thread.
     *
     * @param rehearsal runs before, while {@code results} is at work
     */
    public void start(Consumer<ResultThread> rehearsal) {
        results.start();
        try {
            rehearsal.accept(results);
            thread.start();
        } catch (Throwable failed) {
            results.close();
            throw failed;
        }
    }

    /** Lets it look at once at what has changed; allocates nothing. */
    public void wake() {
        LockSupport.unpark(thread);
        results.wake();
    }

    /**
     * Takes a request, which has failed by then if it could not be done even alone.
     *
     * @param waits whether it waits for a place in the queue where there is none
     * @return false if it may not wait and there is no place
     * @throws DeadlineExceededException if the request's time is over before there is a place
     * @throws ClosedException if it takes no more requests
     * @throws InterruptedException if the calling thread is interrupted while it waits
     */
    public boolean submit(ScheduledRequest request, boolean waits) throws InterruptedException {
        boolean tooLarge = isTooLarge(request);
        lock.lockInterruptibly();
        try {
            while (!closing && !tooLarge && queue.size() >= limits.queueCapacity()) {
                if (!waits) {
                    return false;
                }
                awaitPlace(request);
            }
            if (closing) {
                throw new ClosedException("the batching executor is closed; make another with"
                        + " Model.newBatchingExecutor");
            }
            RequestQueue.Waiting waiting = new RequestQueue.Waiting(request, event(request));
            results.add(request);
            if (!tooLarge) {
                queue.add(waiting);
                model.recorder().queued(1);
            }
        } finally {
            lock.unlock();
        }
        LockSupport.unpark(thread);
        return true;
    }

    /** Ends a request that could not be done if it were the only one. */
    private boolean isTooLarge(ScheduledRequest request) {
        long capacity = model.cacheBytes() + model.availableCacheBytes();
        boolean tooLarge = demand.atLeast(request) > capacity;
        if (tooLarge) {
            request.fail(demand.tooLarge(request, capacity));
        }
        return tooLarge;
    }

    /** The record of a wait that begins; null where there is no recording, or no memory for it. */
    private QueueWaitEvent event(ScheduledRequest request) {
        try {
            return FlightRecorder.isInitialized() ? QueueWaitEvent.begin(request.promptLength(), queue.size()) : null;
        } catch (OutOfMemoryError | LinkageError unrecorded) {
            return null;
        }
    }

    private void awaitPlace(ScheduledRequest request) throws InterruptedException {
        long left = request.nanosLeft(System.nanoTime());
        if (left == Long.MAX_VALUE) {
            notFull.await();
            return;
        }
        if (left <= 0) {
            throw new DeadlineExceededException("the request's time was over before there was a place in the queue of "
                    + limits.queueCapacity() + "; allow more time or send fewer requests at once");
        }
        notFull.awaitNanos(left);
    }

    /** The number of requests that wait for a place in the batch. */
    public int queueLength() {
        lock.lock();
        try {
            return queue.size();
        } finally {
            lock.unlock();
        }
    }

    /** The number of sequences that are computed together now. */
    public int running() {
        return scheduler.running();
    }

    /** How often a sequence gave up its keys and values to others, and read its text again later. */
    public long preemptions() {
        return scheduler.preemptions();
    }

    /** Computes until it is closed and all is done; nothing that is thrown ends the thread before. */
    private void run() {
        boolean open = true;
        while (open) {
            try {
                open = admit();
                if (scheduler.hasWork()) {
                    // A processor may have interrupted this thread, which computes for all callers.
                    Thread.interrupted();
                    scheduler.step();
                }
            } catch (Throwable unforeseen) {
                scheduler.failAll(unforeseen);
            }
        }
        results.close();
    }

    /** Waits for something to do and fills the batch; false when all is done and no more will come. */
    private boolean admit() {
        while (true) {
            scheduler.removeEnded();
            lock.lock();
            try {
                // Those that have ended leave their places in the queue to others.
                model.recorder().queued(-queue.removeEnded());
                while (queue.first() != null && scheduler.hasRoomFor(queue.first().request())) {
                    RequestQueue.Waiting next = queue.first();
                    scheduler.admit(next.request());
                    queue.removeFirst();
                    model.recorder().queued(-1);
                    next.end(true);
                }
                notFull.signalAll();
                if (scheduler.hasWork()) {
                    return true;
                }
                scheduler.rest();
                if (closing && queue.first() == null && scheduler.isEmpty()) {
                    return false;
                }
                // Taking a lock may have used up the wake-up of a request that has ended since it was looked at.
                if (scheduler.hasEnded() || queue.hasEnded()) {
                    continue;
                }
            } finally {
                lock.unlock();
            }
            LockSupport.park(this);
        }
    }

    /**
     * Takes no more requests, and returns when those that it has taken are done; idempotent. A request whose loop the
     * calling thread has left is cancelled. A thread that is interrupted while it waits cancels them all.
     */
    public void close() {
        stopTaking();
        results.finishAll(Thread.currentThread());
        boolean interrupted = false;
        while (true) {
            try {
                thread.join();
                results.awaitAllDone();
                break;
            } catch (InterruptedException e) {
                interrupted = true;
                results.failAll(PreparedFailures.executorClosed());
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** Takes no more requests, cancels those that it has taken, and returns when nothing is computed any more. */
    public void closeNow() {
        stopTaking();
        results.failAll(PreparedFailures.executorClosed());
        close();
    }

    private void stopTaking() {
        lock.lock();
        try {
            closing = true;
            notFull.signalAll();
        } finally {
            lock.unlock();
        }
        LockSupport.unpark(thread);
    }

    /**
     * Refuses a call of the thread itself, which would wait for itself.
     *
     * @throws ConcurrentUseException if the calling thread is this one
     */
    public void requireOtherThread(String purpose) {
        if (Thread.currentThread() == thread) {
            throw new ConcurrentUseException(purpose + ": called by a logits processor of a running request, which"
                    + " would wait for itself; call from another thread");
        }
    }
}
