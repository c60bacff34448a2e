package dev.isthmus.bindings;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.isthmus.bindings.isthmus.Isthmus;
import dev.isthmus.bindings.isthmus.isthmus_norm;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** libisthmus as this build made it. */
class IsthmusTest {
    private static String missing = "";

    @BeforeAll
    static void looksForABuiltLibrary() {
        Platform platform = Platform.current();
        String resource = NativeLibrary.ISTHMUS.resourceFolder(platform) + "/"
                + NativeLibrary.ISTHMUS.bundledFiles(platform).getLast();
        if (IsthmusTest.class.getClassLoader().getResource(resource) == null) {
            missing = "SKIPPED: no " + resource + " on the class path; native-src builds it where a C compiler is";
            System.err.println(missing);
        }
    }

    @BeforeEach
    void needsABuiltLibrary() {
        assumeTrue(missing.isEmpty(), missing);
        LibraryStatus status = NativeLibraries.status(NativeLibrary.ISTHMUS);
        assertTrue(status.available(), status::report);
    }

    @Test
    void itSaysItsAbiAndALevelThatItSupports() {
        var details = NativeLibraries.status(NativeLibrary.ISTHMUS).loaded().orElseThrow().details();
        assertEquals(Integer.toString(Isthmus.ISTHMUS_ABI_VERSION()), details.get("abi"));
        assertTrue((" " + details.get("levels") + " ").contains(" " + details.get("level") + " "), details::toString);
    }

    @Test
    void mappedMemoryIsZeroedAndLastsUntilItsArenaCloses() {
        MemorySegment memory;
        try (Arena arena = Arena.ofShared()) {
            memory = MappedMemory.allocate(arena, 5_000_001).orElseThrow();
            assertEquals(-1, memory.mismatch(arena.allocate(5_000_001)));
            memory.fill((byte) 1);
            assertTrue(MappedMemory.allocate(arena, 0).isEmpty(), "nothing");
            assertTrue(MappedMemory.allocate(arena, Long.MAX_VALUE).isEmpty(), "more than there is");
        }
        assertFalse(memory.scope().isAlive());
    }

    @Test
    void aBindingCallsItsFunction() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment x = arena.allocateFrom(ValueLayout.JAVA_FLOAT, 1, 2, 3, 5, 1, 3, 1, 3);
            MemorySegment norm = isthmus_norm.allocate(arena);
            isthmus_norm.weight(norm, arena.allocateFrom(ValueLayout.JAVA_FLOAT, 1, 2, 3, 4));
            isthmus_norm.bias(norm, arena.allocateFrom(ValueLayout.JAVA_FLOAT, 5, 6, 7, 8));
            isthmus_norm.C(norm, 4);
            assertEquals(Isthmus.ISTHMUS_OK(),
                    Isthmus.isthmus_layer_norm(Isthmus.isthmus_best_level(), x, norm, x, 1, 2));
            assertArrayEquals(new float[] {1, 2, 3, 5, 4, 8, 4, 12}, x.toArray(ValueLayout.JAVA_FLOAT));
        }
    }

    @Test
    void anImpossibleLevelIsRefusedByStatus() {
        assertEquals(0, Isthmus.isthmus_level_supported(99));
    }
}
