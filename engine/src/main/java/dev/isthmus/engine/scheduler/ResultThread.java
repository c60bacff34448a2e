package dev.isthmus.engine.scheduler;

import dev.isthmus.engine.errors.EngineException;
import java.util.Arrays;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The thread that ends requests whose time is over, and has the futures of those that have ended completed, each on a
 * virtual thread of its own, since stages that depend on one may wait for another. Where that fails for want of memory
 * it tries again until the future is complete. But for {@link #add}, nothing here needs memory to go on.
 */
public final class ResultThread {

    private static final long FIRST_PAUSE = TimeUnit.MICROSECONDS.toNanos(200);
    private static final long MAX_PAUSE = TimeUnit.MILLISECONDS.toNanos(50);

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition allDone = lock.newCondition();
    private final Thread thread;
    private Entry[] entries = new Entry[16];
    private int size;
    private boolean closing;

    /** A request whose future is not complete yet. */
    private static final class Entry implements Runnable {

        private final ScheduledRequest request;
        private long nextAttempt;
        private long pause = FIRST_PAUSE;

        Entry(ScheduledRequest request) {
            this.request = request;
        }

        @Override
        public void run() {
            request.settle();
        }

        /** Starts an attempt to complete the future if it is time for one; returns the nanoseconds until the next. */
        long settle(long now) {
            if (pause == FIRST_PAUSE || nextAttempt - now <= 0) {
                nextAttempt = now + pause;
                pause = Math.min(2 * pause, MAX_PAUSE);
                try {
                    Thread.startVirtualThread(this);
                } catch (OutOfMemoryError | RuntimeException again) {
                    // The next attempt will do.
                }
            }
            return nextAttempt - now;
        }
    }

    ResultThread() {
        thread = Thread.ofPlatform().name("isthmus-batch-results").daemon().unstarted(this::run);
    }

    void start() {
        thread.start();
    }

    /** Looks after a request from now on; where this throws, it does not. */
    public void add(ScheduledRequest request) {
        lock.lock();
        try {
            if (size == entries.length) {
                entries = Arrays.copyOf(entries, 2 * size);
            }
            entries[size] = new Entry(request);
            size++;
        } finally {
            lock.unlock();
        }
        if (request.nanosLeft(0) < Long.MAX_VALUE) {
            wake();
        }
    }

    /** Lets it look at once at what has changed. */
    public void wake() {
        LockSupport.unpark(thread);
    }

    /** Ends all requests. */
    void failAll(EngineException failure) {
        lock.lock();
        try {
            for (int i = 0; i < size; i++) {
                entries[i].request.fail(failure);
            }
        } finally {
            lock.unlock();
        }
    }

    /** Cancels those requests whose loops {@code closer} has left, and lets the others come to their end. */
    void finishAll(Thread closer) {
        lock.lock();
        try {
            for (int i = 0; i < size; i++) {
                ScheduledRequest request = entries[i].request;
                if (request.isLeft(closer)) {
                    request.abandon();
                } else {
                    request.wantWhole();
                }
            }
        } finally {
            lock.unlock();
        }
    }

    /** Waits until all futures are complete. */
    void awaitAllDone() throws InterruptedException {
        lock.lockInterruptibly();
        try {
            while (size > 0) {
                allDone.await();
            }
        } finally {
            lock.unlock();
        }
    }

    /** Ends the thread once all futures are complete. */
    void close() {
        lock.lock();
        closing = true;
        lock.unlock();
        wake();
    }

    private void run() {
        boolean open = true;
        while (open) {
            long nanos = FIRST_PAUSE;
            try {
                nanos = attend();
                open = nanos >= 0;
            } catch (Throwable unforeseen) {
                // Nobody else completes the futures: it goes on.
                nanos = MAX_PAUSE;
            }
            if (nanos > 0) {
                LockSupport.parkNanos(this, nanos);
            }
        }
    }

    /** Does what there is to do; returns the nanoseconds until there is more, negative when all is done for good. */
    private long attend() {
        lock.lock();
        try {
            long now = System.nanoTime();
            long next = Long.MAX_VALUE;
            for (int i = size - 1; i >= 0; i--) {
                Entry entry = entries[i];
                if (entry.request.isDone()) {
                    entries[i] = entries[--size];
                    entries[size] = null;
                } else {
                    next = Math.min(next, entry.request.isEnded() ? entry.settle(now) : entry.request.nanosLeft(now));
                }
            }
            if (size == 0) {
                allDone.signalAll();
            }
            return size == 0 && closing ? -1 : Math.max(next, 1);
        } finally {
            lock.unlock();
        }
    }
}
