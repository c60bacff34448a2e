package dev.isthmus.bindings;

import java.lang.foreign.SymbolLookup;
import java.util.Arrays;

/**
 * The native libraries of this process. Each is looked for and loaded when it is first asked about, once and for
 * all; a library that is missing is a {@linkplain #status status} to read, never an exception from a static
 * initialiser. Safe for use by any thread.
 *
 * <p>The order of the search: the file that a system property or environment variable names ({@code none} does
 * without the library), the files in the jars, and for OpenBLAS and CUDA the system's own. libisthmus's jar is a module that
 * this one requires; OpenBLAS's stays on the class path where the rest is on the module path, as no module requires it.
 * Files from jars and from images that jlink made are extracted to a cache directory: {@code -Disthmus.cache} or
 * {@code ISTHMUS_CACHE}, else the
 * user's usual one; where that fails, to a private temporary directory that is deleted at exit.
 */
public final class NativeLibraries {
    private static final Slot[] SLOTS = Arrays.stream(NativeLibrary.values()).map(Slot::new).toArray(Slot[]::new);

    private NativeLibraries() {
    }

    /** What came of looking for the library; the first call does the looking. */
    public static LibraryStatus status(NativeLibrary library) {
        return slot(library).result().status();
    }

    /** Whether the library can be called. */
    public static boolean isAvailable(NativeLibrary library) {
        return status(library).available();
    }

    /**
     * Makes sure that the library can be called. The generated bindings look their functions up in static
     * initialisers, so ask here (or {@link #isAvailable}) before the first call to one.
     *
     * @throws NativeLibraryException if the library is not available; its message says what was tried
     */
    public static void require(NativeLibrary library) {
        if (!isAvailable(library)) {
            throw new NativeLibraryException(status(library));
        }
    }

    /**
     * The library's functions, for the generated bindings. Nothing is loaded until the first function is looked up;
     * a look-up in a library that is not available throws {@link NativeLibraryException}.
     */
    public static SymbolLookup lookup(NativeLibrary library) {
        return name -> {
            require(library);
            return slot(library).result().symbols().find(name);
        };
    }

    private static Slot slot(NativeLibrary library) {
        return SLOTS[library.ordinal()];
    }

    private static final class Slot {
        private final NativeLibrary library;
        private volatile LibrarySearch.Result result;

        Slot(NativeLibrary library) {
            this.library = library;
        }

        LibrarySearch.Result result() {
            LibrarySearch.Result found = result;
            if (found == null) {
                synchronized (this) {
                    found = result;
                    if (found == null) {
                        found = searchWhateverInterrupts();
                        result = found;
                    }
                }
            }
            return found;
        }

        /** Searches again where an interrupt has failed a search: what is found counts for all threads. */
        private LibrarySearch.Result searchWhateverInterrupts() {
            boolean interrupted = false;
            while (true) {
                interrupted |= Thread.interrupted();
                LibrarySearch.Result found = LibrarySearch.run(library, Settings.ofThisProcess(), Platform.current(),
                        NativeLibraries.class.getClassLoader());
                if (found.status().available() || !Thread.currentThread().isInterrupted()) {
                    if (interrupted) {
                        Thread.currentThread().interrupt();
                    }
                    return found;
                }
            }
        }
    }
}
