package dev.isthmus.engine;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.isthmus.bindings.LibraryStatus;
import dev.isthmus.bindings.NativeLibraries;
import dev.isthmus.bindings.NativeLibrary;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;

/**
 * The stand-in for the CUDA driver and cuBLAS, which counts what is asked of it and can be told to fail;
 * {@code native-src/cuda/stand-in/README.md} describes it. Faults are those of the process: closing takes all back.
 */
public final class StandIn implements AutoCloseable {

    private final SymbolLookup symbols;

    private StandIn(SymbolLookup symbols) {
        this.symbols = symbols;
    }

    /** The stand-in, where tests of CUDA run on it; else the calling test is skipped. */
    public static StandIn assumed() {
        LibraryStatus driver = NativeLibraries.status(NativeLibrary.CUDA);
        assumeTrue(driver.loaded().filter(loaded -> loaded.details().containsKey("stand_in")).isPresent(),
                "needs the stand-in for the CUDA driver, which a C++ compiler on Linux builds");
        return new StandIn(SymbolLookup.libraryLookup(Path.of(driver.loaded().orElseThrow().path()), Arena.global()));
    }

    /** Lets something fail from now on. */
    public StandIn fault(String name, long value) {
        try (Arena arena = Arena.ofConfined()) {
            handle("isthmus_stand_in_fault", FunctionDescriptor.ofVoid(ADDRESS, JAVA_LONG))
                    .invokeExact(arena.allocateFrom(name), value);
            return this;
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }

    /** How often something happened so far, or how much of it there is. */
    public long count(String name) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment text = arena.allocateFrom(name);
            return (long) handle("isthmus_stand_in_count", FunctionDescriptor.of(JAVA_LONG, ADDRESS)).invokeExact(text);
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }

    private MethodHandle handle(String function, FunctionDescriptor type) {
        return Linker.nativeLinker().downcallHandle(symbols.find(function).orElseThrow(), type);
    }

    /** Takes all faults back. */
    @Override
    public void close() {
        try {
            handle("isthmus_stand_in_reset", FunctionDescriptor.ofVoid()).invokeExact();
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }
}
