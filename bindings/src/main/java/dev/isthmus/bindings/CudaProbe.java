package dev.isthmus.bindings;

import java.lang.foreign.Arena;
import java.lang.foreign.SymbolLookup;

/**
 * Whether NVIDIA's driver library is installed. It is not initialised, so this says nothing about a usable device.
 *
 * @param driverFound whether the library was found
 * @param reason      in words, what was found or why not
 */
public record CudaProbe(boolean driverFound, String reason) {
    /** Looks for the driver library of this platform. */
    public static CudaProbe run() {
        return switch (Platform.current().os()) {
            case LINUX, OTHER -> run("libcuda.so.1");
            case WINDOWS -> run("nvcuda.dll");
            case MACOS -> new CudaProbe(false, "there is no CUDA for macOS");
        };
    }

    static CudaProbe run(String driver) {
        try (Arena arena = Arena.ofConfined()) {
            if (SymbolLookup.libraryLookup(driver, arena).find("cuInit").isPresent()) {
                return new CudaProbe(true, driver + " is installed");
            }
            return new CudaProbe(false, driver + " has no function cuInit, so it is not NVIDIA's driver");
        } catch (IllegalArgumentException notFound) {
            return new CudaProbe(false, driver + " is not found: no NVIDIA driver is installed");
        } catch (IllegalCallerException denied) {
            return new CudaProbe(false, LibrarySearch.nativeAccessDenied());
        }
    }
}
