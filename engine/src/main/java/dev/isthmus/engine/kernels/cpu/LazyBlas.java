package dev.isthmus.engine.kernels.cpu;

import dev.isthmus.bindings.NativeLibraries;
import dev.isthmus.bindings.NativeLibrary;

/**
 * OpenBLAS, loaded when the first product of many rows needs it: loading it takes longer than answering a short
 * prompt without it.
 */
final class LazyBlas {

    private boolean looked;
    private Blas blas;

    /** OpenBLAS, or null where it cannot be loaded. */
    synchronized Blas get() {
        if (!looked) {
            looked = true;
            blas = NativeLibraries.isAvailable(NativeLibrary.OPENBLAS) ? new Blas() : null;
        }
        return blas;
    }
}
