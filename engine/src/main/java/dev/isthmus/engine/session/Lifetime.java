package dev.isthmus.engine.session;

import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The calls of a model that are under way, so that its memory is freed after the last of them. What a call needs memory
 * for comes before it is counted, and ending one needs none: a full Java heap never leaves a call counted that has
 * ended, as a ReentrantReadWriteLock does, for which closing would wait for ever. Any number of threads may use it.
 */
final class Lifetime {

    /** The calls of one thread that are under way, one inside the other. */
    private static final class Calls {

        private int count;
    }

    private final ThreadLocal<Calls> ofThread = ThreadLocal.withInitial(Calls::new);
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition idle = lock.newCondition();
    private int underWay;
    private boolean freed;

    /** Counts a call that begins; false if all has been freed. */
    boolean enter() {
        Calls calls = ofThread.get();
        lock.lock();
        try {
            if (freed) {
                return false;
            }
            underWay++;
            calls.count++;
            return true;
        } finally {
            lock.unlock();
        }
    }

    /** The last call of this thread ends. */
    void leave() {
        Calls calls = ofThread.get();
        calls.count--;
        if (calls.count == 0) {
            ofThread.remove();
        }
        lock.lock();
        try {
            underWay--;
            if (underWay == 0) {
                idle.signalAll();
            }
        } finally {
            lock.unlock();
        }
    }

    /** Whether the thread is inside a call. */
    boolean isInside() {
        if (ofThread.get().count > 0) {
            return true;
        }
        ofThread.remove();
        return false;
    }

    /** Runs {@code free} when no call is under way; the second time it only waits until that has been done. */
    void end(Runnable free) {
        lock.lock();
        try {
            while (underWay > 0) {
                idle.awaitUninterruptibly();
            }
            if (!freed) {
                freed = true;
                free.run();
            }
        } finally {
            lock.unlock();
        }
    }
}
