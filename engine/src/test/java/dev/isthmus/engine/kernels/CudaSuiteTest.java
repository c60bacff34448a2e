package dev.isthmus.engine.kernels;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.isthmus.bindings.LibraryStatus;
import dev.isthmus.bindings.NativeLibraries;
import dev.isthmus.bindings.NativeLibrary;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** That the suites for every backend have CUDA among them. */
class CudaSuiteTest {

    @Test
    void theSuitesRunOnCuda() {
        LibraryStatus driver = NativeLibraries.status(NativeLibrary.CUDA);
        String named = System.getProperty(NativeLibrary.CUDA.property());
        boolean possible = driver.available() || named == null || Files.exists(Path.of(named));
        assumeTrue(possible, () -> "NO TEST RUNS ON CUDA: a C++ compiler on Linux builds the stand-in for the driver");
        assertTrue(driver.available(), driver::report);
        assertFalse(TestBackend.cuda().isEmpty());
    }
}
