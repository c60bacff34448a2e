package dev.isthmus.engine.memory;

import static dev.isthmus.engine.memory.FakeSystem.MIB;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** One budget for all models of a process. */
class MemoryBudgetTest {

    @TempDir
    Path root;

    private FakeSystem system;
    private MemoryBudget budget;

    @BeforeEach
    void container() {
        system = new FakeSystem(root, 8000);
        system.dockerVersion1(1000, 50, 0);
        budget = new MemoryBudget(system.memory(), 250 * MIB);
    }

    @Test
    void cachesGetWhatWeightsAndHeapLeave() {
        assertEquals(500 * MIB, budget.capacity(), "half of the container");
        budget.addWeights(475 * MIB);
        assertEquals((1000 - 96 - 475 - 250) * MIB, budget.capacity());
        assertTrue(budget.take(170 * MIB));
        assertFalse(budget.take(10 * MIB));
        budget.addWeights(-475 * MIB);
        assertTrue(budget.take(10 * MIB), "the model was closed");
    }

    @Test
    void aHeapThatCouldTakeAllLeavesAThird() {
        MemoryBudget large = new MemoryBudget(system.memory(), 4000 * MIB);
        large.addWeights(304 * MIB);
        assertEquals(200 * MIB, large.capacity());
    }

    @Test
    void weightsBeyondTheContainerAreRefused() {
        try (MemoryBudget.Loading loading = budget.load(940 * MIB)) {
            assertNotNull(loading.shortage());
            assertTrue(loading.shortage().limit().contains("container has 1048 MB (1000 MiB)"),
                    loading.shortage().limit());
        }
        try (MemoryBudget.Loading loading = budget.load(900 * MIB)) {
            assertNull(loading.shortage());
        }
    }

    @Test
    void weightsThatAreBeingReadCountForOthers() {
        try (MemoryBudget.Loading first = budget.load(500 * MIB)) {
            assertNull(first.shortage());
            try (MemoryBudget.Loading second = budget.load(500 * MIB)) {
                assertNotNull(second.shortage());
            }
        }
        try (MemoryBudget.Loading third = budget.load(500 * MIB)) {
            assertNull(third.shortage(), "the system counts what the first has read");
        }
    }

    @Test
    void aFullMachineBoundsAContainer() {
        system.machine(8000, 300, 0);
        try (MemoryBudget.Loading loading = budget.load(500 * MIB)) {
            assertNotNull(loading.shortage());
        }
    }

    @Test
    void whatOthersTakeOfTheContainerCounts() {
        assertTrue(budget.take(20 * MIB));
        system.dockerVersion1(1000, 990, 0);
        assertFalse(budget.take(40 * MIB));
        system.dockerVersion1(1000, 990, 600);
        assertTrue(budget.take(40 * MIB), "files make room");
    }

    @Test
    void littleIsTakenWithoutAsking() {
        system.dockerVersion1(1000, 1000, 0);
        assertTrue(budget.take(10 * MIB));
    }

    @Test
    void whatNobodyUsesMakesRoom() {
        assertTrue(budget.take(450 * MIB));
        Holder holder = new Holder(300 * MIB);
        budget.register(holder);
        assertEquals(350 * MIB, budget.available());
        assertTrue(budget.take(100 * MIB));
        assertEquals(200 * MIB, holder.bytes);
        budget.unregister(holder);
        assertFalse(budget.take(100 * MIB));
    }

    @Test
    void weightsMakeFinishedTextsGo() {
        assertTrue(budget.take(300 * MIB));
        system.dockerVersion1(1000, 350, 0);
        Holder holder = new Holder(300 * MIB);
        budget.register(holder);
        try (MemoryBudget.Loading loading = budget.load(800 * MIB)) {
            assertNull(loading.shortage());
        }
        assertEquals(100 * MIB, holder.bytes);
    }

    @Test
    void whatIsTakenAnywayLeavesOthersLess() {
        budget.takeAnyway(600 * MIB);
        assertEquals(0, budget.available());
        budget.takeAnyway(-200 * MIB);
        assertEquals(100 * MIB, budget.available());
    }

    /** Gives back 100 MiB at a time, by which the container's usage falls. */
    private final class Holder implements MemoryBudget.Reclaimable {
        private long bytes;

        Holder(long bytes) {
            this.bytes = bytes;
        }

        @Override
        public long reclaimableBytes() {
            return bytes;
        }

        @Override
        public boolean reclaim(long wanted) {
            if (bytes == 0) {
                return false;
            }
            bytes -= 100 * MIB;
            budget.giveBack(100 * MIB);
            system.dockerVersion1(1000, 50 + bytes / MIB, 0);
            return true;
        }
    }
}
