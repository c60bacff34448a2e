package dev.isthmus.engine.kernels.cpu;

import dev.isthmus.bindings.NativeLibraries;
import dev.isthmus.bindings.NativeLibrary;

/**
 * OpenBLAS, loaded when the first product of many rows needs it: loading it takes longer than answering a short
 * prompt without it.
 */
final class LazyBlas {

    private final boolean wanted;
    private boolean looked;
    private Blas blas;

    LazyBlas(boolean wanted) {
        this.wanted = wanted;
    }

    /** OpenBLAS, or null where it is not wanted or cannot be loaded. */
    synchronized Blas get() {
        if (!looked) {
            looked = true;
            blas = wanted && NativeLibraries.status(NativeLibrary.OPENBLAS).available() ? new Blas() : null;
        }
        return blas;
    }
}
