package dev.isthmus.bindings;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class CudaProbeTest {
    @Test
    void aDriverThatIsNotThereIsNamed() {
        CudaProbe probe = CudaProbe.run("libnosuchdriver.so.1");
        assertFalse(probe.driverFound());
        assertTrue(probe.reason().contains("libnosuchdriver.so.1 is not found"), probe.reason());
    }

    @Test
    void theAnswerForThisMachineHasAReason() {
        CudaProbe probe = CudaProbe.run();
        assertTrue(probe.reason().contains(probe.driverFound() ? "is installed" : "no"), probe.reason());
    }
}
