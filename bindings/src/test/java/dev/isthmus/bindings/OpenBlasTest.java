package dev.isthmus.bindings;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.bindings.LibraryStatus.Loaded;
import dev.isthmus.bindings.LibraryStatus.Origin;
import dev.isthmus.bindings.openblas.OpenBlas;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** OpenBLAS as the build's own dependency brings it. */
class OpenBlasTest {
    @BeforeAll
    static void needsTheBundledLibrary() {
        LibraryStatus status = NativeLibraries.status(NativeLibrary.OPENBLAS);
        assertTrue(status.available(), status::report);
    }

    @Test
    void itComesFromTheJarAndSaysWhatItIs() {
        Loaded loaded = NativeLibraries.status(NativeLibrary.OPENBLAS).loaded().orElseThrow();
        assertEquals(Origin.BUNDLED, loaded.origin());
        assertTrue(loaded.details().get("config").startsWith("OpenBLAS " + loaded.details().get("version")));
        assertFalse(loaded.details().get("core").isBlank());
        assertEquals(loaded.details().get("core"), OpenBlas.openblas_get_corename().getString(0));
    }

    @Test
    void aProductOfTwoByThreeAndThreeByTwoIsRight() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment a = arena.allocateFrom(ValueLayout.JAVA_FLOAT, 1, 2, 3, 4, 5, 6);
            MemorySegment b = arena.allocateFrom(ValueLayout.JAVA_FLOAT, 7, 8, 9, 10, 11, 12);
            MemorySegment c = arena.allocate(ValueLayout.JAVA_FLOAT, 4);
            OpenBlas.cblas_sgemm(OpenBlas.CblasRowMajor(), OpenBlas.CblasNoTrans(), OpenBlas.CblasNoTrans(),
                    2, 2, 3, 1f, a, 3, b, 2, 0f, c, 2);
            assertArrayEquals(new float[] {58, 64, 139, 154}, c.toArray(ValueLayout.JAVA_FLOAT));
        }
    }

    @Test
    void aTransposedMatrixTimesAVectorIsRight() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment a = arena.allocateFrom(ValueLayout.JAVA_FLOAT, 1, 2, 3, 4, 5, 6);
            MemorySegment x = arena.allocateFrom(ValueLayout.JAVA_FLOAT, 10, 100);
            MemorySegment y = arena.allocate(ValueLayout.JAVA_FLOAT, 3);
            OpenBlas.cblas_sgemv(OpenBlas.CblasRowMajor(), OpenBlas.CblasTrans(), 2, 3, 1f, a, 3, x, 1, 0f, y, 1);
            assertArrayEquals(new float[] {410, 520, 630}, y.toArray(ValueLayout.JAVA_FLOAT));
        }
    }

    @Test
    void itsThreadCountCanBeSet() {
        OpenBlas.openblas_set_num_threads(1);
        assertEquals(1, OpenBlas.openblas_get_num_threads());
    }
}
