package dev.isthmus.engine.session;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class LifetimeTest {

    private final Lifetime lifetime = new Lifetime();
    private final AtomicInteger freed = new AtomicInteger();

    @Test
    void nothingIsFreedWhileACallIsUnderWay() throws Exception {
        assertTrue(lifetime.enter());
        assertTrue(lifetime.enter());
        CompletableFuture<Void> end = CompletableFuture.runAsync(() -> lifetime.end(freed::incrementAndGet));
        lifetime.leave();
        assertThrows(TimeoutException.class, () -> end.get(50, TimeUnit.MILLISECONDS));
        assertEquals(0, freed.get());
        lifetime.leave();
        end.get(30, TimeUnit.SECONDS);
        assertEquals(1, freed.get());
    }

    @Test
    void nobodyEntersOnceAllIsFreed() {
        lifetime.end(freed::incrementAndGet);
        lifetime.end(freed::incrementAndGet);
        assertEquals(1, freed.get());
        assertFalse(lifetime.enter());
    }

    @Test
    void onlyTheThreadOfACallIsInside() throws Exception {
        assertFalse(lifetime.isInside());
        lifetime.enter();
        assertTrue(lifetime.isInside());
        assertFalse(CompletableFuture.supplyAsync(lifetime::isInside).get());
        lifetime.leave();
        assertFalse(lifetime.isInside());
    }
}
