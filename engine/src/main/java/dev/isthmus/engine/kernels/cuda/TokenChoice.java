package dev.isthmus.engine.kernels.cuda;

import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.isthmus.engine.kernels.Draw;
import dev.isthmus.engine.kernels.TokenChooser;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.util.Arrays;
import java.util.Objects;

/** Chooses tokens on the device: only their ids come back. */
final class TokenChoice implements TokenChooser {

    /** {@code struct sampling} of kernels.h. */
    private static final StructLayout SAMPLING = MemoryLayout.structLayout(JAVA_DOUBLE.withName("temperature"),
            JAVA_DOUBLE.withName("top_p"), JAVA_DOUBLE.withName("min_p"), JAVA_INT.withName("top_k"),
            JAVA_INT.withName("unused"), JAVA_LONG.withName("random"));

    private static final int BLOCK = 1024;

    private final CudaContext context;
    private final CudaModule kernels;
    private final Transfers transfers;
    private final Workspace scratch;
    private final Workspace tokens;
    private final Workspace how;
    private final Arena arena = Arena.ofShared();
    private MemorySegment powers;

    TokenChoice(CudaContext context, CudaModule kernels, Transfers transfers) {
        this.context = context;
        this.kernels = kernels;
        this.transfers = transfers;
        scratch = new Workspace(context);
        tokens = new Workspace(context);
        how = new Workspace(context);
    }

    @Override
    public int[] choose(Tensor logits, int first, Draw... draws) {
        CudaKernels.CHECKS.logits(logits);
        Objects.checkFromIndexSize(first, draws.length, logits.dim(0));
        int vocabulary = (int) logits.dim(1);
        long row = (long) vocabulary * Float.BYTES;
        try (CudaContext.Use _ = context.enter()) {
            return choose(MemorySegment.ofAddress(logits.data().address() + first * row), vocabulary, draws);
        }
    }

    private int[] choose(MemorySegment logits, int vocabulary, Draw[] draws) {
        int rows = draws.length;
        MemorySegment chosen = tokens.reserve((long) rows * Integer.BYTES);
        if (Arrays.stream(draws).allMatch(draw -> draw.temperature() == 0)) {
            kernels.with(logits).and(chosen).and(vocabulary).launch("argmax", rows, 1, 1, BLOCK);
        } else {
            sample(logits, vocabulary, draws, chosen);
        }
        return transfers.toHost(chosen.address(), (long) rows * Integer.BYTES).toArray(JAVA_INT);
    }

    private void sample(MemorySegment logits, int vocabulary, Draw[] draws, MemorySegment chosen) {
        if (powers == null) {
            double[] table = draws[0].powers();
            MemorySegment memory = context.allocate(arena, (long) table.length * Double.BYTES);
            transfers.toDevice(MemorySegment.ofArray(table), memory.address());
            powers = memory;
        }
        MemorySegment settings = how.reserve(draws.length * SAMPLING.byteSize());
        context.upload(draws.length * SAMPLING.byteSize(), settings.address(), host -> {
            for (int i = 0; i < draws.length; i++) {
                write(draws[i], host.asSlice(i * SAMPLING.byteSize(), SAMPLING.byteSize()));
            }
        });
        // SAMPLE_SCRATCH_BYTES of kernels.h.
        MemorySegment memory = scratch.reserve(draws.length * Math.ceilDiv(vocabulary, 1024) * 1024L * 16);
        kernels.with(logits).and(powers).and(settings).and(memory).and(chosen).and(vocabulary)
                .launch("sample", draws.length, 1, 1, BLOCK, 1, Math.ceilDiv(vocabulary, 64) * Double.BYTES);
    }

    private static void write(Draw draw, MemorySegment into) {
        into.set(JAVA_DOUBLE, offset("temperature"), draw.temperature());
        into.set(JAVA_DOUBLE, offset("top_p"), draw.topP());
        into.set(JAVA_DOUBLE, offset("min_p"), draw.minP());
        into.set(JAVA_INT, offset("top_k"), draw.topK());
        into.set(JAVA_LONG, offset("random"), draw.random());
    }

    private static long offset(String field) {
        return SAMPLING.byteOffset(MemoryLayout.PathElement.groupElement(field));
    }

    void close() {
        how.close();
        tokens.close();
        scratch.close();
        arena.close();
    }
}
