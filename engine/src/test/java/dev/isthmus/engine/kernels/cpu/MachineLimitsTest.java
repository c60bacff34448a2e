package dev.isthmus.engine.kernels.cpu;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.isthmus.engine.config.WeightType;
import java.lang.foreign.Arena;
import org.junit.jupiter.api.Test;

/** Rates, within what any machine of this century has; how close they come to the truth no test can say. */
class MachineLimitsTest {

    @Test
    void everyLevelMeasuresMemoryOfAnySizeAndBothKindsOfArithmetic() {
        assumeTrue(!CpuChoice.supportedLevels().isEmpty(), "needs libisthmus, which was not built");
        for (KernelLevel level : CpuChoice.supportedLevels()) {
            try (MachineLimits limits = new MachineLimits(level, 3); Arena arena = Arena.ofShared()) {
                for (long bytes : new long[] {64, 100, 3 << 20, (5 << 20) + 64}) {
                    isPlausible(limits.bytesPerSecond(arena.allocate(bytes, 64)));
                }
                isPlausible(limits.multiplyAddsPerSecond(WeightType.F32));
                isPlausible(limits.multiplyAddsPerSecond(WeightType.Q4));
            }
        }
    }

    private static void isPlausible(double rate) {
        assertTrue(rate > 1e5 && rate < 1e15, "found " + rate);
    }
}
