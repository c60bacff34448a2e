package dev.isthmus.engine.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.errors.CancelledException;
import dev.isthmus.engine.kernels.Backends;
import dev.isthmus.engine.kernels.Backend;
import dev.isthmus.engine.kernels.Passes;
import dev.isthmus.engine.kernels.RowBatch;
import dev.isthmus.engine.memory.MemoryBudget;
import dev.isthmus.engine.memory.SystemMemory;
import dev.isthmus.engine.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A few passes at a time, whoever asks for how many. */
@Timeout(60)
class PassPoolTest {

    private static final long LONG = TimeUnit.HOURS.toNanos(1);

    private final MemoryBudget budget = new MemoryBudget(new SystemMemory(), 0);
    private SmallGpt2 model = new SmallGpt2(Backends.cpu(1), true, WeightType.F32, Optional.empty());
    private PassPool pool = new PassPool(model.forward, budget, 2, LONG);

    @AfterEach
    void close() {
        pool.close();
        model.close();
        assertEquals(0, pool.bytes());
    }

    private static <R> CompletableFuture<R> elsewhere(Supplier<R> work) {
        return CompletableFuture.supplyAsync(work, task -> Thread.ofPlatform().daemon().start(task));
    }

    /** Computes some rows in a pass of its own. */
    private void compute(PassPool.Pass pass, int rows, LayerProbe probe) {
        try (KvCache cache = model.newCache()) {
            pass.batch(rows).add(cache, SmallGpt2.ids(rows, 1), 0, rows);
            pass.forward(new int[] {rows - 1}, probe);
        }
    }

    private static void sleep(int millis) {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void aPassIsUsedAgain() {
        PassPool.Pass pass = pool.borrow();
        pass.close();
        assertSame(pass, pool.borrow());
        pass.close();
    }

    @Test
    void othersWaitInTurn() {
        CompletableFuture<PassPool.Pass> one = elsewhere(pool::borrow);
        CompletableFuture<PassPool.Pass> two = elsewhere(pool::borrow);
        compute(one.join(), 1, new Waiting(() -> {
            List<Integer> order = new CopyOnWriteArrayList<>();
            CompletableFuture<?>[] waiting = new CompletableFuture<?>[3];
            for (int i = 0; i < waiting.length; i++) {
                int number = i;
                waiting[i] = elsewhere(() -> {
                    PassPool.Pass pass = pool.borrow();
                    order.add(number);
                    pass.close();
                    return pass;
                });
                sleep(50);
            }
            sleep(300);
            assertEquals(List.of(), order, "nobody is let in while a pass computes");
            two.join().close();
            CompletableFuture.allOf(waiting).join();
            assertEquals(List.of(0, 1, 2), order);
        }));
        one.join().close();
    }

    /** Runs something once, within a pass that counts as computing. */
    private static final class Waiting implements LayerProbe {
        private Runnable code;

        Waiting(Runnable code) {
            this.code = code;
        }

        @Override
        public boolean cancelled() {
            code.run();
            code = () -> { };
            return false;
        }
    }

    @Test
    void scratchOfManyReadersIsBounded() {
        List<CompletableFuture<Object>> readers = new ArrayList<>();
        for (int i = 0; i < 24; i++) {
            readers.add(elsewhere(() -> {
                try (PassPool.Pass pass = pool.borrow()) {
                    compute(pass, 100, LayerProbe.NONE);
                }
                return null;
            }));
        }
        readers.forEach(CompletableFuture::join);
        long both = pool.bytes();
        assertTrue(both > 0 && both <= 2 * bytesOfOne(), both + " bytes");
        assertEquals(both, budget.capacity() - budget.available(), "scratch is counted in the budget");
        pool.close();
        assertEquals(0, budget.capacity() - budget.available());
    }

    private long bytesOfOne() {
        try (PassPool one = new PassPool(model.forward, budget, 1, LONG)) {
            try (PassPool.Pass pass = one.borrow()) {
                compute(pass, 100, LayerProbe.NONE);
            }
            return one.bytes();
        }
    }

    @Test
    void aThreadThatHasOneGetsAnotherAtOnce() {
        try (PassPool.Pass first = pool.borrow(); PassPool.Pass second = pool.borrow();
                PassPool.Pass third = pool.borrow()) {
            assertNotSame(first, second);
            assertNotSame(second, third);
        }
    }

    /** Visitors hold their passes while they wait for other threads that need one. */
    @Test
    void visitorsThatWaitForOthersEnd() {
        Supplier<Boolean> visitor = () -> {
            try (PassPool.Pass _ = pool.borrow()) {
                return elsewhere(() -> {
                    try (PassPool.Pass other = pool.borrow()) {
                        compute(other, 1, LayerProbe.NONE);
                        return true;
                    }
                }).join();
            }
        };
        List<CompletableFuture<Boolean>> all = List.of(elsewhere(visitor), elsewhere(visitor), elsewhere(visitor));
        all.forEach(each -> assertTrue(each.join()));
    }

    /** The same for observers, which are called in the middle of a pass. */
    @Test
    void observersThatWaitForOthersEnd() {
        Supplier<Boolean> observer = () -> {
            try (PassPool.Pass pass = pool.borrow()) {
                compute(pass, 1, new Calling(() -> elsewhere(() -> {
                    try (PassPool.Pass other = pool.borrow()) {
                        compute(other, 1, LayerProbe.NONE);
                        return null;
                    }
                }).join(), Runnable::run));
                return true;
            }
        };
        List<CompletableFuture<Boolean>> all = List.of(elsewhere(observer), elsewhere(observer), elsewhere(observer));
        all.forEach(each -> assertTrue(each.join()));
    }

    /** An observer's code at the first boundary. */
    private record Calling(Runnable code, Executor caller) implements LayerProbe {
        @Override
        public LayerProbe calling(Executor by) {
            return new Calling(code, by);
        }

        @Override
        public void hiddenState(int boundary, Tensor x, RowBatch batch) {
            if (boundary == 0) {
                caller.execute(code);
            }
        }
    }

    @Test
    void whoWaitsCanBeCancelled() {
        CompletableFuture<PassPool.Pass> one = elsewhere(pool::borrow);
        CompletableFuture<PassPool.Pass> two = elsewhere(pool::borrow);
        AtomicBoolean cancelled = new AtomicBoolean();
        compute(one.join(), 1, new Waiting(() -> {
            two.join();
            CompletableFuture<PassPool.Pass> third =
                    elsewhere(() -> pool.borrow(LayerProbe.ending(cancelled::get)));
            sleep(50);
            cancelled.set(true);
            assertTrue(assertThrows(CompletionException.class, third::join).getCause() instanceof CancelledException);
        }));
        one.join().close();
        two.join().close();
    }

    @Test
    void whoWaitsCanBeInterrupted() throws InterruptedException {
        CompletableFuture<PassPool.Pass> one = elsewhere(pool::borrow);
        CompletableFuture<PassPool.Pass> two = elsewhere(pool::borrow);
        two.join();
        CompletableFuture<Boolean> interrupted = new CompletableFuture<>();
        compute(one.join(), 1, new Waiting(() -> {
            Thread third = Thread.ofPlatform().start(() -> {
                assertThrows(CancelledException.class, pool::borrow);
                interrupted.complete(Thread.currentThread().isInterrupted());
            });
            sleep(50);
            third.interrupt();
            assertTrue(interrupted.join(), "the flag stays set");
        }));
        one.join().close();
        two.join().close();
    }

    @Test
    void whatIsIdleIsFreed() {
        try (PassPool shortly = new PassPool(model.forward, budget, 2, TimeUnit.MILLISECONDS.toNanos(100))) {
            try (PassPool.Pass first = shortly.borrow(); PassPool.Pass second = shortly.borrow()) {
                compute(first, 50, LayerProbe.NONE);
                compute(second, 50, LayerProbe.NONE);
            }
            assertTrue(shortly.bytes() > 0);
            while (shortly.bytes() > 0) {
                sleep(10);
            }
            try (PassPool.Pass again = shortly.borrow()) {
                compute(again, 50, LayerProbe.NONE);
            }
        }
    }

    @Test
    void oneOfRecordedPassesStays() {
        model.close();
        Passes recorded = (batch, outputRows, watched, pass) -> pass.run();
        Backend backend = InterceptedBackend.of(Backends.cpu(1), name -> name.equals("newPasses") ? recorded : null);
        model = new SmallGpt2(backend, true, WeightType.F32, Optional.empty());
        pool = new PassPool(model.forward, budget, 2, TimeUnit.MILLISECONDS.toNanos(100));
        PassPool.Pass first = pool.borrow();
        PassPool.Pass second = pool.borrow();
        compute(first, 5, LayerProbe.NONE);
        compute(second, 5, LayerProbe.NONE);
        long both = pool.bytes();
        second.close();
        first.close();
        while (pool.bytes() == both) {
            sleep(10);
        }
        sleep(300);
        assertTrue(pool.bytes() > 0);
        assertSame(first, pool.borrow(), "the one used last");
        first.close();
    }
}
