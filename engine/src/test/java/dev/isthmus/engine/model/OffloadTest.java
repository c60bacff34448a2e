package dev.isthmus.engine.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Work of virtual threads runs on platform threads, and what calls back does not. */
@Timeout(60)
class OffloadTest {

    private static <R> R onVirtualThread(Callable<R> work) throws Exception {
        FutureTask<R> task = new FutureTask<>(work);
        Thread.startVirtualThread(task);
        return task.get(30, TimeUnit.SECONDS);
    }

    @Test
    void aPlatformThreadWorksItself() {
        assertSame(Thread.currentThread(), Offload.call(Thread::currentThread));
    }

    @Test
    void aVirtualThreadHasAnotherWork() throws Exception {
        assertFalse(onVirtualThread(() -> Offload.call(Thread::currentThread)).isVirtual());
    }

    @Test
    void callbacksRunOnTheCaller() throws Exception {
        onVirtualThread(() -> {
            Thread caller = Thread.currentThread();
            return Offload.call((Executor callbacks) -> {
                assertNotSame(caller, Thread.currentThread());
                for (int i = 0; i < 3; i++) {
                    callbacks.execute(() -> assertSame(caller, Thread.currentThread()));
                }
                return null;
            });
        });
    }

    /** What the working thread holds, such as a lock of a device's, is then its own. */
    @Test
    void aCallbacksOwnWorkRunsOnTheSameThread() throws Exception {
        onVirtualThread(() -> Offload.call((Executor callbacks) -> {
            Thread worker = Thread.currentThread();
            callbacks.execute(() -> {
                assertSame(worker, Offload.call(Thread::currentThread));
                assertSame(worker, Offload.call((Executor inner) -> {
                    inner.execute(() -> assertTrue(Thread.currentThread().isVirtual()));
                    return Thread.currentThread();
                }));
            });
            return null;
        }));
    }

    @Test
    void failuresComeThroughBothWays() {
        assertInstanceOf(ArithmeticException.class, assertThrows(ExecutionException.class,
                () -> onVirtualThread(() -> Offload.call(() -> {
                    throw new ArithmeticException();
                }))).getCause());
        assertInstanceOf(StackOverflowError.class, assertThrows(ExecutionException.class,
                () -> onVirtualThread(() -> Offload.call((Executor callbacks) -> {
                    callbacks.execute(() -> {
                        throw new StackOverflowError();
                    });
                    return null;
                }))).getCause());
    }

    @Test
    void anInterruptReachesTheWorkAndStays() throws Exception {
        CountDownLatch begun = new CountDownLatch(1);
        boolean[] flags = new boolean[2];
        Thread caller = Thread.startVirtualThread(() -> {
            flags[0] = Offload.call(() -> {
                begun.countDown();
                while (!Thread.currentThread().isInterrupted()) {
                    LockSupport.parkNanos(1_000_000);
                }
                return true;
            });
            flags[1] = Thread.currentThread().isInterrupted();
        });
        begun.await();
        caller.interrupt();
        caller.join();
        assertTrue(flags[0]);
        assertTrue(flags[1]);
    }

    @Test
    void anInterruptDoesNotReachTheNextWork() throws Exception {
        assertTrue(onVirtualThread(() -> {
            Thread.currentThread().interrupt();
            boolean seen = Offload.call(() -> {
                LockSupport.parkNanos(20_000_000);
                return Thread.currentThread().isInterrupted();
            });
            return seen && Thread.interrupted();
        }));
        for (int i = 0; i < 20; i++) {
            assertEquals(false, onVirtualThread(() -> Offload.call(() -> Thread.currentThread().isInterrupted())));
        }
    }
}
