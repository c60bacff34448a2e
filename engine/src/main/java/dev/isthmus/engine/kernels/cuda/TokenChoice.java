package dev.isthmus.engine.kernels.cuda;

import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.isthmus.engine.kernels.Draw;
import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;

/** Chooses tokens on the device: of the logits, only the token's id comes back. */
final class TokenChoice {

    /** {@code struct sampling} of kernels.h. */
    private static final StructLayout SAMPLING = MemoryLayout.structLayout(JAVA_DOUBLE.withName("temperature"),
            JAVA_DOUBLE.withName("top_p"), JAVA_DOUBLE.withName("min_p"), JAVA_INT.withName("top_k"),
            JAVA_INT.withName("unused"), JAVA_LONG.withName("random"));

    private static final int BLOCK = 1024;

    private final CudaModule kernels;
    private final Transfers transfers;
    private final Workspace scratch;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment how;
    private final MemorySegment token;
    private final MemorySegment hostHow = arena.allocate(SAMPLING);
    private MemorySegment powers;

    TokenChoice(CudaContext context, CudaModule kernels, Transfers transfers) {
        this.kernels = kernels;
        this.transfers = transfers;
        scratch = new Workspace(context);
        try {
            how = context.allocate(arena, SAMPLING.byteSize());
            token = context.allocate(arena, JAVA_INT.byteSize());
        } catch (Throwable failed) {
            arena.close();
            throw failed;
        }
    }

    /** The token that {@code draw} takes from V logits, or a negative number where they have none to take. */
    int choose(MemorySegment logits, int vocabulary, Draw draw, CudaContext context) {
        if (draw.temperature() == 0) {
            kernels.with(logits).and(token).and(vocabulary).launch("argmax", 1, 1, 1, BLOCK);
        } else {
            sample(logits, vocabulary, draw, context);
        }
        return transfers.toHost(token.address(), JAVA_INT.byteSize()).get(JAVA_INT, 0);
    }

    private void sample(MemorySegment logits, int vocabulary, Draw draw, CudaContext context) {
        if (powers == null) {
            powers = context.allocate(arena, (long) draw.powers().length * Double.BYTES);
            transfers.toDevice(MemorySegment.ofArray(draw.powers()), powers.address());
        }
        hostHow.set(JAVA_DOUBLE, offset("temperature"), draw.temperature());
        hostHow.set(JAVA_DOUBLE, offset("top_p"), draw.topP());
        hostHow.set(JAVA_DOUBLE, offset("min_p"), draw.minP());
        hostHow.set(JAVA_INT, offset("top_k"), draw.topK());
        hostHow.set(JAVA_LONG, offset("random"), draw.random());
        transfers.enqueue(hostHow, how.address());
        // SAMPLE_SCRATCH_BYTES of kernels.h.
        MemorySegment memory = scratch.reserve(Math.ceilDiv(vocabulary, 1024) * 1024L * 16);
        kernels.with(logits).and(powers).and(how).and(memory).and(token).and(vocabulary)
                .launch("sample", 1, 1, 1, BLOCK, 1, Math.ceilDiv(vocabulary, 64) * Double.BYTES);
    }

    private static long offset(String field) {
        return SAMPLING.byteOffset(MemoryLayout.PathElement.groupElement(field));
    }

    void close() {
        scratch.close();
        arena.close();
    }
}
