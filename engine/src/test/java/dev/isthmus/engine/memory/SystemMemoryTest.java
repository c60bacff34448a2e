package dev.isthmus.engine.memory;

import static dev.isthmus.engine.memory.FakeSystem.MIB;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the files of /proc and of control groups say. */
class SystemMemoryTest {

    @TempDir
    Path root;

    private FakeSystem system;

    @BeforeEach
    void write() {
        system = new FakeSystem(root, 8000);
    }

    private void assertFigures(long total, long available, boolean container) {
        assertEquals(new SystemMemory.Figures(total * MIB, available * MIB, container), system.memory().figures());
    }

    @Test
    void aMachineWithoutContainerHasItsOwn() {
        system.machine(8000, 5000, 0);
        assertFigures(8000, 5000, false);
    }

    @Test
    void freeSwapCanBeTaken() {
        system.machine(8000, 5000, 700);
        assertFigures(8000, 5700, false);
    }

    @Test
    void version1LimitsByTheContainersGroup() {
        system.dockerVersion1(400, 100, 30);
        assertFigures(400, 330, true);
    }

    @Test
    void version1WithoutLimitLimitsNothing() {
        system.dockerVersion1(0, 100, 30);
        system.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        assertFigures(8000, 8000, false);
    }

    @Test
    void version2LimitsByTheNarrowestGroupAbove() {
        system.write("proc/self/cgroup", "0::/kubepods/pod1/c1\n");
        system.version2("sys/fs/cgroup/kubepods/pod1/c1/", "max", 90, 0);
        system.version2("sys/fs/cgroup/kubepods/pod1/", Long.toString(600 * MIB), 150, 20);
        system.version2("sys/fs/cgroup/kubepods/", Long.toString(2000 * MIB), 1900, 0);
        assertFigures(600, 100, true);
    }

    @Test
    void aGroupOutsideTheNamespaceIsTheMountsOwn() {
        system.write("proc/self/cgroup", "0::/../../other\n");
        system.version2("sys/fs/cgroup/", Long.toString(500 * MIB), 100, 0);
        assertFigures(500, 400, true);
    }

    @Test
    void swapThatAContainerMayUseCounts() {
        system.machine(8000, 8000, 1000);
        system.write("proc/self/cgroup", "0::/c\n");
        system.version2("sys/fs/cgroup/c/", Long.toString(500 * MIB), 100, 0);
        system.write("sys/fs/cgroup/c/memory.swap.max", 200 * MIB + "\n");
        system.write("sys/fs/cgroup/c/memory.swap.current", 50 * MIB + "\n");
        assertFigures(500, 550, true);
    }

    @Test
    void unreadableGroupsLeaveTheMachinesFigures() {
        system.write("proc/self/mountinfo", "nonsense\n1 2 - cgroup2\n - \n");
        system.write("proc/self/cgroup", "0::/c\n:::\n\n");
        assertFigures(8000, 8000, false);
    }

    @Test
    void otherSystemsAreAskedThroughThePlatform() {
        SystemMemory.Figures figures = new SystemMemory(root.resolve("none")).figures();
        assertTrue(figures.total() > MIB, figures.toString());
    }

    @Test
    void thisMachineHasMemory() {
        SystemMemory.Figures figures = new SystemMemory().figures();
        assertTrue(figures.total() > MIB && figures.available() > MIB, figures.toString());
    }
}
