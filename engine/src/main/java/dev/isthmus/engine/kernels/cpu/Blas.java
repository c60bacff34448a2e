package dev.isthmus.engine.kernels.cpu;

import dev.isthmus.bindings.openblas.OpenBlas;
import dev.isthmus.engine.kernels.Layout;
import java.lang.foreign.MemorySegment;

/**
 * OpenBLAS's matrix product, for many rows. OpenBLAS computes on the calling thread only: the worker team calls it for
 * one tile at a time, which scales better than OpenBLAS's own threads and stays calm beside other busy ones.
 */
final class Blas {

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
        OpenBlas.cblas_sgemm(OpenBlas.CblasRowMajor(), OpenBlas.CblasNoTrans(),
                inOut ? OpenBlas.CblasNoTrans() : OpenBlas.CblasTrans(), t1 - t0, n1 - n0, inputs, 1f, rows, inputs,
                columns, inOut ? outputs : inputs, 0f, tile, outputs);
    }
}
