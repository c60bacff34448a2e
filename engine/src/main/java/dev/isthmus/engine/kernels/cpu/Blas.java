package dev.isthmus.engine.kernels.cpu;

import dev.isthmus.bindings.openblas.OpenBlas;
import dev.isthmus.engine.kernels.Layout;
import java.lang.foreign.MemorySegment;

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

    /** out[t, n] = Σk x[t, k] · w(k, n) for rows [t0, t1) and columns [n0, n1). */
    void sgemm(MemorySegment x, MemorySegment w, MemorySegment out, Layout layout, int inputs, int outputs, int t0,
            int t1, int n0, int n1) {
        boolean inOut = layout == Layout.IN_OUT;
        MemorySegment rows = x.asSlice((long) t0 * inputs * Float.BYTES);
        MemorySegment columns = w.asSlice((inOut ? n0 : (long) n0 * inputs) * Float.BYTES);
        MemorySegment tile = out.asSlice(((long) t0 * outputs + n0) * Float.BYTES);
        for (int k0 = 0; k0 < inputs; k0 += BLOCK_INPUTS) {
            OpenBlas.cblas_sgemm(OpenBlas.CblasRowMajor(), OpenBlas.CblasNoTrans(),
                    inOut ? OpenBlas.CblasNoTrans() : OpenBlas.CblasTrans(), t1 - t0, n1 - n0,
                    Math.min(BLOCK_INPUTS, inputs - k0), 1f, rows.asSlice((long) k0 * Float.BYTES), inputs,
                    columns.asSlice((inOut ? (long) k0 * outputs : k0) * Float.BYTES), inOut ? outputs : inputs,
                    k0 == 0 ? 0f : 1f, tile, outputs);
        }
    }
}
