package dev.isthmus.bench;

import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.kernels.Backend;
import dev.isthmus.engine.kernels.cpu.CpuChoice;
import dev.isthmus.engine.kernels.cpu.MachineLimits;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** The machine's limits, of memory for as many bytes as {@link LinearBenchmark} goes through. */
final class Limits implements AutoCloseable {

    private final Arena arena = Arena.ofShared();
    private final MachineLimits machine;
    private final MemorySegment memory;

    /** Needs the C kernels. */
    Limits(int threads) {
        CpuChoice choice = CpuChoice.choose();
        machine = new MachineLimits(choice.level().orElseThrow(), threads);
        try (Backend backend = choice.open(1)) {
            memory = backend.weights().allocate(arena, LinearBenchmark.WEIGHT_BYTES).fill((byte) 1);
        }
    }

    double bytesPerSecond() {
        return machine.bytesPerSecond(memory);
    }

    double operationsPerSecond(WeightType type) {
        return 2 * machine.multiplyAddsPerSecond(type);
    }

    @Override
    public void close() {
        machine.close();
        arena.close();
    }
}
