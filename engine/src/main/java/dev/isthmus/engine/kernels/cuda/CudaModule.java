package dev.isthmus.engine.kernels.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.isthmus.bindings.cuda.Cuda;
import dev.isthmus.engine.errors.BackendException;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.Map;

/**
 * The compiled kernels on a device. {@code native-src/cuda/kernels.h} says what each takes and how it is launched. Used
 * by the thread that has entered the context.
 */
final class CudaModule {

    private static final int MOST_ARGUMENTS = 16;

    private final CudaContext context;
    private final MemorySegment module;
    private final Arena arena = Arena.ofShared();
    private final Map<String, MemorySegment> functions = new HashMap<>();
    private final MemorySegment values = arena.allocate(JAVA_LONG, MOST_ARGUMENTS);
    private final MemorySegment pointers = arena.allocate(ADDRESS, MOST_ARGUMENTS);
    private int arguments;

    /**
     * Loads the kernels.
     *
     * @throws BackendException if they are not on the class path or the driver cannot use them
     */
    CudaModule(CudaContext context) {
        this.context = context;
        for (int i = 0; i < MOST_ARGUMENTS; i++) {
            pointers.setAtIndex(ADDRESS, i, values.asSlice(i * JAVA_LONG.byteSize()));
        }
        try (Arena temporary = Arena.ofConfined()) {
            byte[] bytes = Fatbin.image();
            MemorySegment image = temporary.allocate(bytes.length, 64).copyFrom(MemorySegment.ofArray(bytes));
            MemorySegment pointer = temporary.allocate(ADDRESS);
            int status = Cuda.cuModuleLoadDataEx(pointer, image, 0, MemorySegment.NULL, MemorySegment.NULL);
            if (status != Cuda.CUDA_SUCCESS()) {
                Status.note(status);
                throw new BackendException("cuda: loading the kernels on " + context.device().description()
                        + ": expected a driver that can use what nvcc made of them, it answered " + Status.name(status)
                        + "; update NVIDIA's driver or use the CPU backend");
            }
            module = pointer.get(ADDRESS, 0);
            context.onRelease(() -> {
                Cuda.cuModuleUnload(module());
                arena.close();
            });
        } catch (Throwable failed) {
            arena.close();
            throw failed;
        }
    }

    private MemorySegment module() {
        return module;
    }

    private MemorySegment function(String name, int sharedBytes) {
        return functions.computeIfAbsent(name, missing -> {
            try (Arena temporary = Arena.ofConfined()) {
                MemorySegment pointer = temporary.allocate(ADDRESS);
                Status.check("looking up the kernel " + name,
                        Cuda.cuModuleGetFunction(pointer, module, temporary.allocateFrom(name)));
                MemorySegment function = pointer.get(ADDRESS, 0);
                if (sharedBytes > 0) {
                    Status.check("giving the kernel " + name + " " + sharedBytes + " bytes of shared memory",
                            Cuda.cuFuncSetAttribute(function,
                                    Cuda.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES(), sharedBytes));
                }
                return function;
            }
        });
    }

    /** Begins the list of a kernel's arguments. */
    CudaModule with(MemorySegment address) {
        arguments = 0;
        return and(address);
    }

    /** Begins the list of a kernel's arguments. */
    CudaModule with(Tensor tensor) {
        return with(tensor.data());
    }

    /** A device's address, whose memory must not have been freed. */
    CudaModule and(MemorySegment address) {
        if (!address.scope().isAlive()) {
            throw new IllegalStateException("a kernel's argument has been freed");
        }
        values.setAtIndex(JAVA_LONG, arguments++, address.address());
        return this;
    }

    CudaModule and(Tensor tensor) {
        return and(tensor == null ? MemorySegment.NULL : tensor.data());
    }

    CudaModule and(long number) {
        values.setAtIndex(JAVA_LONG, arguments++, number);
        return this;
    }

    CudaModule and(int number) {
        values.set(JAVA_INT, JAVA_LONG.byteSize() * arguments++, number);
        return this;
    }

    CudaModule and(float number) {
        values.set(JAVA_FLOAT, JAVA_LONG.byteSize() * arguments++, number);
        return this;
    }

    /** Launches a kernel on the arguments listed, without shared memory of its own. */
    void launch(String name, long gridX, long gridY, long gridZ, int block) {
        launch(name, gridX, gridY, gridZ, block, 1, 0);
    }

    /** Launches a kernel on the arguments listed, on a block of [blockY, blockX] threads. */
    void launch(String name, long gridX, long gridY, long gridZ, int blockX, int blockY, int sharedBytes) {
        Status.check("launching " + name, Cuda.cuLaunchKernel(function(name, sharedBytes), Math.toIntExact(gridX),
                Math.toIntExact(gridY), Math.toIntExact(gridZ), blockX, blockY, 1, sharedBytes, context.stream(),
                pointers, MemorySegment.NULL));
    }
}
