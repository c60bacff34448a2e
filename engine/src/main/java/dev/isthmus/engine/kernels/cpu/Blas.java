package dev.isthmus.engine.kernels.cpu;

import dev.isthmus.bindings.openblas.OpenBlas;
import dev.isthmus.engine.kernels.Layout;
import dev.isthmus.engine.kernels.PlainMatrix;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * OpenBLAS's matrix product, for many rows. OpenBLAS computes on the calling thread only: the worker team calls it for
 * one tile at a time, which scales better than OpenBLAS's own threads and stays calm beside other busy ones.
 */
final class Blas {

    /**
     * Inputs that one call sums up. OpenBLAS adds an element's products one after another, so that over 768 and more
     * the rounding errors pass those of transformers' float32; sums of blocks this small stay below them, as our own
     * kernel's do, at 1.05 times the time.
     */
    private static final int BLOCK_INPUTS = 64;

    Blas() {
        OpenBlas.openblas_set_num_threads(1);
    }

    /** Σk x[t, k] · w(k, n) for rows [t0, t1) and columns [n0, n1). */
    float[][] product(MemorySegment x, PlainMatrix w, int t0, int t1, int n0, int n1) {
        boolean inOut = w.layout() == Layout.IN_OUT;
        int inputs = w.inputs();
        int columns = n1 - n0;
        float[][] sums = new float[t1 - t0][columns];
        MemorySegment rows = x.asSlice((long) t0 * inputs * Float.BYTES);
        MemorySegment weights = w.weight().data().asSlice((inOut ? n0 : (long) n0 * inputs) * Float.BYTES);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment tile = arena.allocate((long) sums.length * columns * Float.BYTES, Tensor.ALIGNMENT);
            for (int k0 = 0; k0 < inputs; k0 += BLOCK_INPUTS) {
                OpenBlas.cblas_sgemm(OpenBlas.CblasRowMajor(), OpenBlas.CblasNoTrans(),
                        inOut ? OpenBlas.CblasNoTrans() : OpenBlas.CblasTrans(), sums.length, columns,
                        Math.min(BLOCK_INPUTS, inputs - k0), 1f, rows.asSlice((long) k0 * Float.BYTES), inputs,
                        weights.asSlice((inOut ? (long) k0 * w.outputs() : k0) * Float.BYTES),
                        inOut ? w.outputs() : inputs, k0 == 0 ? 0f : 1f, tile, columns);
            }
            for (int t = 0; t < sums.length; t++) {
                MemorySegment.copy(tile, ValueLayout.JAVA_FLOAT, (long) t * columns * Float.BYTES, sums[t], 0, columns);
            }
        }
        return sums;
    }
}
