package dev.isthmus.bindings;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.StringReader;
import java.util.List;
import org.junit.jupiter.api.Test;

class CpuInfoTest {
    @Test
    void theFirstProcessorOfAnX86FileIsRead() throws IOException {
        CpuInfo info = parse("""
                processor\t: 0
                model\t\t: 143
                model name\t: Some Processor: the 2nd
                flags\t\t: fpu avx2 fma

                processor\t: 1
                model name\t: Another
                """);
        assertEquals(new CpuInfo(2, "Some Processor: the 2nd", List.of("fpu", "avx2", "fma")), info);
    }

    @Test
    void anArmFileHasFeaturesAndNoModel() throws IOException {
        assertEquals(new CpuInfo(2, "unknown", List.of("fp", "asimd")),
                parse("processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd\n\n"));
    }

    @Test
    void thisMachineHasAsManyProcessorsAsTheJvmMayUse() {
        assertEquals(Runtime.getRuntime().availableProcessors(), CpuInfo.current().processors());
    }

    private static CpuInfo parse(String text) throws IOException {
        return CpuInfo.parse(2, new BufferedReader(new StringReader(text)));
    }
}
