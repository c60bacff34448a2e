package dev.isthmus.engine.kernels.cpu;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.isthmus.bindings.isthmus.Isthmus;
import dev.isthmus.engine.config.WeightType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Measures what the machine can do at most with some threads: read memory, and multiply and add in registers. A kernel
 * that nears either has nothing left to gain. Each measurement takes some tens of milliseconds and gives the best of
 * several rounds, since a neighbour only ever slows one down. Not safe for use by several threads at once.
 */
public final class MachineLimits implements AutoCloseable {

    /** Memory is read in pieces of so many bytes, which the threads take in turn. */
    private static final long PIECE = 1 << 20;

    /** What vector loads and cache lines divide. */
    private static final long LINE = 64;

    /** A round takes at least as long, so that starting it does not show. */
    private static final long ROUND_NANOS = 4_000_000;
    private static final int ROUNDS = 8;

    private final int level;
    private final WorkerTeam team;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment results;

    /** Starts {@code threads} threads at an instruction-set level that this machine has. */
    public MachineLimits(KernelLevel level, int threads) {
        this.level = level.code();
        this.team = new WorkerTeam(threads);
        // One line for each thread: what one writes does not slow another.
        this.results = arena.allocate(threads * LINE, LINE);
    }

    /**
     * The bytes per second that all threads together read from memory of this size, again and again: from a cache where
     * it fits into one.
     *
     * @param memory at least 64 bytes, written before, since memory that never was need not exist
     */
    public double bytesPerSecond(MemorySegment memory) {
        long lines = memory.byteSize() / LINE;
        long pieceLines = Math.clamp(lines / team.size(), 1, PIECE / LINE);
        int pieces = Math.toIntExact(Math.ceilDiv(lines, pieceLines));
        return lines * LINE * best(() -> team.run(pieces, piece -> {
            long from = piece * pieceLines;
            long count = Math.min(pieceLines, lines - from);
            check(Isthmus.isthmus_read_bytes(level, memory.asSlice(from * LINE, count * LINE), count * LINE,
                    result(piece, JAVA_INT.byteSize())));
        }));
    }

    /**
     * The products that all threads together compute and add up per second, as kernels for weights of this type do it:
     * in float32, or in bytes for INT8 and Q4. Twice that is what is called FLOP/s.
     */
    public double multiplyAddsPerSecond(WeightType type) {
        int code = type.isQuantized() ? Isthmus.ISTHMUS_TYPE_INT8() : Isthmus.ISTHMUS_TYPE_F32();
        long count = Isthmus.ISTHMUS_MAX_MULTIPLY_ADDS() / 16;
        return count * team.size() * best(() -> team.run(team.size(), thread ->
                check(Isthmus.isthmus_multiply_adds(level, code, count, result(thread, JAVA_LONG.byteSize())))));
    }

    private MemorySegment result(int task, long bytes) {
        return results.asSlice(task % team.size() * LINE, bytes);
    }

    /** How often per second {@code work} can be done. */
    private static double best(Runnable work) {
        double best = 0;
        for (int round = 0; round < ROUNDS; round++) {
            long begun = System.nanoTime();
            long nanos;
            int times = 0;
            do {
                work.run();
                times++;
                nanos = System.nanoTime() - begun;
            } while (nanos < ROUND_NANOS);
            best = Math.max(best, times * 1e9 / nanos);
        }
        return best;
    }

    private static void check(int status) {
        if (status != Isthmus.ISTHMUS_OK()) {
            throw new IllegalStateException("libisthmus refused to measure, status " + status);
        }
    }

    /** Ends the threads; idempotent. */
    @Override
    public void close() {
        team.close();
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }
}
