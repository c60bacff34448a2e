package dev.isthmus.bindings;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.isthmus.bindings.isthmus.Isthmus;
import java.lang.foreign.AddressLayout;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Asks a library that was just opened whether it is the one that the bindings were made for. The generated bindings
 * cannot be used for that: they belong to the one library that was found good.
 */
final class LibraryCheck {
    /** By their numbers in isthmus.h. */
    static final List<String> LEVELS = List.of("baseline", "avx2", "avx512", "neon", "vnni");

    private static final List<String> OPENBLAS_FUNCTIONS = List.of("cblas_sgemm", "cblas_sgemv",
            "openblas_set_num_threads", "openblas_get_num_threads", "openblas_get_config", "openblas_get_corename");

    /** The youngest functions that are bound: CUDA 11.4 has all but the last, which came with 12.8. */
    private static final List<String> CUDA_FUNCTIONS = List.of("cuInit", "cuDriverGetVersion", "cuLaunchKernel",
            "cuModuleLoadDataEx", "cuStreamBeginCapture_v2", "cuGraphInstantiateWithFlags", "cuEventElapsedTime_v2");

    private static final List<String> CUBLAS_FUNCTIONS = List.of("cublasCreate_v2", "cublasGemmEx",
            "cublasSetWorkspace_v2");

    /** What only the tests' stand-in for both libraries has. */
    private static final String STAND_IN = "isthmus_stand_in_fault";

    /** C strings of a library's own, such as its version: their end is where the zero is. */
    private static final AddressLayout C_STRING =
            ADDRESS.withTargetLayout(MemoryLayout.sequenceLayout(4096, ValueLayout.JAVA_BYTE));

    private LibraryCheck() {
    }

    /**
     * What the library says of itself, as {@link LibraryStatus.Loaded#details()} lists it.
     *
     * @throws LoadFailure where it is not the library that is wanted
     */
    static Map<String, String> details(NativeLibrary library, SymbolLookup symbols) throws LoadFailure {
        return switch (library) {
            case OPENBLAS -> openBlas(symbols);
            case ISTHMUS -> isthmus(symbols);
            case CUDA -> cuda(symbols);
            case CUBLAS -> cuBlas(symbols);
        };
    }

    private static Map<String, String> openBlas(SymbolLookup symbols) throws LoadFailure {
        for (String function : OPENBLAS_FUNCTIONS) {
            if (symbols.find(function).isEmpty()) {
                throw new LoadFailure("it has no function " + function + ", so it is not an OpenBLAS with CBLAS");
            }
        }
        String config = callForString(symbols, "openblas_get_config");
        if (config.contains("USE64BITINT")) {
            throw new LoadFailure("it is built with 64-bit integers (" + config + "), and 32-bit ones are expected");
        }
        Map<String, String> details = new LinkedHashMap<>();
        details.put("version", openBlasVersion(config));
        details.put("core", callForString(symbols, "openblas_get_corename"));
        details.put("config", config.strip());
        return details;
    }

    /** The second word of "OpenBLAS 0.3.31 DYNAMIC_ARCH …". */
    private static String openBlasVersion(String config) {
        String prefix = "OpenBLAS ";
        if (!config.startsWith(prefix)) {
            return "unknown";
        }
        int end = config.indexOf(' ', prefix.length());
        return config.substring(prefix.length(), end < 0 ? config.length() : end);
    }

    private static Map<String, String> isthmus(SymbolLookup symbols) throws LoadFailure {
        int expected = Isthmus.ISTHMUS_ABI_VERSION();
        int found = callForInt(symbols, "isthmus_abi_version");
        if (found != expected) {
            throw new LoadFailure("it has ABI version " + found + ", and these bindings need " + expected
                    + "; rebuild it from the same sources");
        }
        StringBuilder levels = new StringBuilder();
        for (int level = 0; level < LEVELS.size(); level++) {
            if (callForInt(symbols, "isthmus_level_supported", level) == 1) {
                levels.append(levels.isEmpty() ? "" : " ").append(LEVELS.get(level));
            }
        }
        Map<String, String> details = new LinkedHashMap<>();
        details.put("abi", Integer.toString(found));
        details.put("level", LEVELS.get(callForInt(symbols, "isthmus_best_level")));
        details.put("levels", levels.toString());
        return details;
    }

    private static Map<String, String> cuda(SymbolLookup symbols) throws LoadFailure {
        for (String function : CUDA_FUNCTIONS) {
            if (symbols.find(function).isEmpty()) {
                throw new LoadFailure("it has no function " + function + ", so it is "
                        + (symbols.find("cuDriverGetVersion").isEmpty() ? "no CUDA driver"
                                : "a driver for CUDA " + driverVersion(symbols) + ", which is too old")
                        + "; install a newer NVIDIA driver");
            }
        }
        Map<String, String> details = new LinkedHashMap<>();
        details.put("version", driverVersion(symbols));
        noteStandIn(symbols, details);
        return details;
    }

    /** The CUDA version that a driver supports: it answers 13000 for 13.0 and 12040 for 12.4. */
    private static String driverVersion(SymbolLookup symbols) throws LoadFailure {
        int version = callForIntResult(symbols, "cuDriverGetVersion");
        return version / 1000 + "." + version % 1000 / 10;
    }

    private static Map<String, String> cuBlas(SymbolLookup symbols) throws LoadFailure {
        for (String function : CUBLAS_FUNCTIONS) {
            if (symbols.find(function).isEmpty()) {
                throw new LoadFailure("it has no function " + function + ", so it is not a cuBLAS that can be used");
            }
        }
        Map<String, String> details = new LinkedHashMap<>();
        noteStandIn(symbols, details);
        return details;
    }

    private static void noteStandIn(SymbolLookup symbols, Map<String, String> details) {
        if (symbols.find(STAND_IN).isPresent()) {
            details.put("stand_in", "an emulation on the CPU, for tests");
        }
    }

    /** What a function that answers with a status, 0 for good, stores where its argument points. */
    private static int callForIntResult(SymbolLookup symbols, String function) throws LoadFailure {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment result = arena.allocate(JAVA_INT);
            int status = (int) Linker.nativeLinker()
                    .downcallHandle(address(symbols, function), FunctionDescriptor.of(JAVA_INT, ADDRESS))
                    .invokeExact(result);
            if (status != 0) {
                throw new LoadFailure(function + " answered with error " + status);
            }
            return result.get(JAVA_INT, 0);
        } catch (Throwable failure) {
            throw LoadFailure.of(failure);
        }
    }

    private static int callForInt(SymbolLookup symbols, String function) throws LoadFailure {
        try {
            return (int) Linker.nativeLinker()
                    .downcallHandle(address(symbols, function), FunctionDescriptor.of(JAVA_INT)).invokeExact();
        } catch (Throwable failure) {
            throw LoadFailure.of(failure);
        }
    }

    private static int callForInt(SymbolLookup symbols, String function, int argument) throws LoadFailure {
        try {
            return (int) Linker.nativeLinker()
                    .downcallHandle(address(symbols, function), FunctionDescriptor.of(JAVA_INT, JAVA_INT))
                    .invokeExact(argument);
        } catch (Throwable failure) {
            throw LoadFailure.of(failure);
        }
    }

    private static String callForString(SymbolLookup symbols, String function) throws LoadFailure {
        try {
            MemorySegment text = (MemorySegment) Linker.nativeLinker()
                    .downcallHandle(address(symbols, function), FunctionDescriptor.of(C_STRING)).invokeExact();
            return text.getString(0);
        } catch (Throwable failure) {
            throw LoadFailure.of(failure);
        }
    }

    private static MemorySegment address(SymbolLookup symbols, String function) throws LoadFailure {
        return symbols.find(function).orElseThrow(() -> new LoadFailure("it has no function " + function));
    }
}
