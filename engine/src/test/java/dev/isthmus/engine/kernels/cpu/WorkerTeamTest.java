package dev.isthmus.engine.kernels.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.errors.BackendException;
import dev.isthmus.engine.errors.CancelledException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class WorkerTeamTest {

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 8})
    void everyTaskRunsExactlyOnce(int size) {
        try (WorkerTeam team = new WorkerTeam(size)) {
            for (int round = 0; round < 2_000; round++) {
                int count = round % 37;
                AtomicIntegerArray runs = new AtomicIntegerArray(count + 1);
                team.run(count, runs::incrementAndGet);
                for (int i = 0; i < count; i++) {
                    assertEquals(1, runs.get(i));
                }
            }
        }
    }

    @Test
    void workersThatParkedAreWokenAgain() throws InterruptedException {
        try (WorkerTeam team = new WorkerTeam(3)) {
            for (int round = 0; round < 20; round++) {
                Thread.sleep(5);
                var threads = ConcurrentHashMap.<Thread>newKeySet();
                AtomicInteger together = new AtomicInteger();
                long deadline = System.nanoTime() + 10_000_000_000L;
                team.run(3, i -> {
                    threads.add(Thread.currentThread());
                    together.incrementAndGet();
                    while (together.get() < 3 && System.nanoTime() < deadline) {
                        Thread.onSpinWait();
                    }
                });
                assertEquals(3, threads.size(), "each task waits for the others, so each needs its own thread");
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 8})
    void anInterruptLeavesOutTheTasksNotBegun(int size) {
        try (WorkerTeam team = new WorkerTeam(size)) {
            Thread caller = Thread.currentThread();
            AtomicInteger begun = new AtomicInteger();
            assertThrows(CancelledException.class, () -> team.run(10_000, i -> {
                begun.incrementAndGet();
                caller.interrupt();
            }));
            assertTrue(Thread.interrupted(), "the thread stays interrupted");
            assertTrue(begun.get() <= 2 * size, begun.get() + " tasks were begun");
            AtomicInteger after = new AtomicInteger();
            team.run(100, i -> after.incrementAndGet());
            assertEquals(100, after.get());
        }
    }

    @Test
    void aTeamThatGetsTooFewThreadsEndsThem() throws InterruptedException {
        List<Thread> started = new ArrayList<>();
        BackendException refused = assertThrows(BackendException.class, () -> new WorkerTeam(10, thread -> {
            if (started.size() == 5) {
                throw new OutOfMemoryError("unable to create native thread");
            }
            thread.start();
            started.add(thread);
        }));
        assertTrue(refused.getMessage().contains("expected 9, found that the process gets 5"), refused.getMessage());
        for (Thread thread : started) {
            thread.join();
        }
    }

    @Test
    void aTasksExceptionReachesTheCallerAndTheTeamGoesOn() {
        try (WorkerTeam team = new WorkerTeam(2)) {
            RuntimeException fault = new RuntimeException("fault");
            assertSame(fault, assertThrows(RuntimeException.class, () -> team.run(100, i -> {
                if (i == 63) {
                    throw fault;
                }
            })));
            AtomicInteger sum = new AtomicInteger();
            team.run(10, sum::addAndGet);
            assertEquals(45, sum.get());
        }
    }

    @Test
    void severalCallersShareATeam() throws InterruptedException {
        try (WorkerTeam team = new WorkerTeam(2)) {
            AtomicInteger sum = new AtomicInteger();
            List<Thread> callers = new ArrayList<>();
            for (int c = 0; c < 4; c++) {
                callers.add(Thread.startVirtualThread(() -> {
                    for (int round = 0; round < 500; round++) {
                        team.run(5, i -> sum.incrementAndGet());
                    }
                }));
            }
            for (Thread caller : callers) {
                caller.join();
            }
            assertEquals(4 * 500 * 5, sum.get());
        }
    }

    @Test
    void aClosedTeamRefusesWork() {
        WorkerTeam team = new WorkerTeam(2);
        team.close();
        team.close();
        assertThrows(IllegalStateException.class, () -> team.run(1, i -> {}));
    }
}
