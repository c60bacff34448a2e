package dev.isthmus.engine.kernels.cuda;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.isthmus.bindings.LibraryStatus;
import dev.isthmus.bindings.NativeLibraries;
import dev.isthmus.bindings.NativeLibrary;
import dev.isthmus.bindings.cuda.Cuda;
import dev.isthmus.engine.errors.BackendException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * The process's first CUDA device, as the driver describes it.
 *
 * @param handle the driver's number for it
 * @param name such as {@code NVIDIA H100 80GB HBM3}
 * @param capability 10 · major + minor of its compute capability
 * @param multiprocessors how many it has
 * @param memory its bytes of memory
 * @param driver the CUDA version that the driver supports, such as 13000 for 13.0
 */
public record CudaDevice(int handle, String name, int capability, int multiprocessors, long memory, int driver) {

    /** The kernels' oldest target. */
    private static final int LEAST_CAPABILITY = 80;

    /**
     * Finds it.
     *
     * @throws BackendException if the driver, cuBLAS or the compiled kernels are missing, the driver is too old, there is
     *     no device that the kernels run on, or a kernel failed earlier in this process; the message says what to do
     */
    public static CudaDevice find() {
        Status.requireAlive();
        require(NativeLibrary.CUDA, "install NVIDIA's driver");
        require(NativeLibrary.CUBLAS, "install it with the CUDA toolkit or with pip install nvidia-cublas");
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment number = arena.allocate(JAVA_INT);
            int initialised = Cuda.cuInit(0);
            if (initialised != Cuda.CUDA_SUCCESS()) {
                throw new BackendException("cuda: starting the driver: expected a working device, the driver answered "
                        + Status.name(initialised) + "; nvidia-smi shows whether the device and its driver work and "
                        + "are visible to this process. Use the CPU backend otherwise");
            }
            Status.check("asking the driver's version", Cuda.cuDriverGetVersion(number));
            int driver = number.get(JAVA_INT, 0);
            int least = Fatbin.driver();
            if (driver < least) {
                throw new BackendException("cuda: starting the driver: expected one for CUDA " + version(least)
                        + " or newer, which the kernels were compiled for, found one for CUDA " + version(driver)
                        + "; update NVIDIA's driver or use the CPU backend");
            }
            Status.check("counting devices", Cuda.cuDeviceGetCount(number));
            if (number.get(JAVA_INT, 0) < 1) {
                throw new BackendException("cuda: looking for a device: expected at least one, found none; check "
                        + "CUDA_VISIBLE_DEVICES and nvidia-smi, or use the CPU backend");
            }
            Status.check("opening device 0", Cuda.cuDeviceGet(number, 0));
            return describe(arena, number.get(JAVA_INT, 0), driver);
        }
    }

    private static CudaDevice describe(Arena arena, int handle, int driver) {
        MemorySegment name = arena.allocate(256);
        Status.check("asking the device's name", Cuda.cuDeviceGetName(name, (int) name.byteSize() - 1, handle));
        MemorySegment bytes = arena.allocate(JAVA_LONG);
        Status.check("asking the device's memory", Cuda.cuDeviceTotalMem_v2(bytes, handle));
        int capability = 10 * attribute(arena, handle, Cuda.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR())
                + attribute(arena, handle, Cuda.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR());
        CudaDevice device = new CudaDevice(handle, name.getString(0), capability,
                attribute(arena, handle, Cuda.CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT()), bytes.get(JAVA_LONG, 0),
                driver);
        if (capability < LEAST_CAPABILITY) {
            throw new BackendException("cuda: looking for a device: expected compute capability 8.0 or newer (Ampere), "
                    + "found " + device.name + " with " + capability / 10 + "." + capability % 10
                    + "; use the CPU backend");
        }
        return device;
    }

    private static int attribute(Arena arena, int handle, int attribute) {
        MemorySegment value = arena.allocate(JAVA_INT);
        Status.check("asking the device's attributes", Cuda.cuDeviceGetAttribute(value, attribute, handle));
        return value.get(JAVA_INT, 0);
    }

    private static void require(NativeLibrary library, String remedy) {
        LibraryStatus status = NativeLibraries.status(library);
        if (!status.available()) {
            throw new BackendException("cuda: expected " + library.title() + ", found none that can be used; " + remedy
                    + ", or use the CPU backend. " + status.report());
        }
    }

    /** 13000 as 13.0. */
    static String version(int number) {
        return number / 1000 + "." + number % 1000 / 10;
    }

    /** The device in words. */
    public String description() {
        return name + ", compute capability " + capability / 10 + "." + capability % 10 + ", " + (memory >> 20)
                + " MiB, driver for CUDA " + version(driver);
    }
}
