package dev.isthmus.bindings;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.bindings.isthmus.Isthmus;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Libraries whose functions are Java's own, so that wrong ones can be had without a compiler. */
class LibraryCheckTest {
    private static final int ABI = Isthmus.ISTHMUS_ABI_VERSION();

    private final Arena arena = Arena.ofConfined();
    private final Map<String, MemorySegment> functions = new HashMap<>();
    private final SymbolLookup symbols = name -> Optional.ofNullable(functions.get(name));

    @AfterEach
    void close() {
        arena.close();
    }

    @Test
    void aLibisthmusOfAnotherAbiIsRefused() {
        functions.put("isthmus_abi_version", returningInt(99));
        LoadFailure refused = assertThrows(LoadFailure.class,
                () -> LibraryCheck.details(NativeLibrary.ISTHMUS, symbols));
        assertTrue(refused.getMessage().contains("ABI version 99, and these bindings need " + ABI), refused.getMessage());
    }

    @Test
    void aLibraryWithoutAnAbiVersionIsRefused() {
        LoadFailure refused = assertThrows(LoadFailure.class,
                () -> LibraryCheck.details(NativeLibrary.ISTHMUS, symbols));
        assertEquals("it has no function isthmus_abi_version", refused.getMessage());
    }

    @Test
    void aLibisthmusSaysItsLevels() throws Exception {
        functions.put("isthmus_abi_version", returningInt(ABI));
        functions.put("isthmus_best_level", returningInt(1));
        MethodHandle upToAvx2 = MethodHandles.lookup().findStatic(LibraryCheckTest.class, "upToAvx2",
                MethodType.methodType(int.class, int.class));
        functions.put("isthmus_level_supported", stub(upToAvx2,
                FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT)));
        assertEquals(Map.of("abi", Integer.toString(ABI), "level", "avx2", "levels", "baseline avx2"),
                LibraryCheck.details(NativeLibrary.ISTHMUS, symbols));
    }

    @Test
    void anOpenBlasWithSixtyFourBitIntegersIsRefused() {
        openBlasWithConfig("OpenBLAS 0.3.31 USE64BITINT DYNAMIC_ARCH");
        LoadFailure refused = assertThrows(LoadFailure.class,
                () -> LibraryCheck.details(NativeLibrary.OPENBLAS, symbols));
        assertTrue(refused.getMessage().contains("64-bit integers"), refused.getMessage());
    }

    @Test
    void anOpenBlasSaysItsVersion() throws Exception {
        openBlasWithConfig("OpenBLAS 0.3.31 DYNAMIC_ARCH");
        assertEquals("0.3.31", LibraryCheck.details(NativeLibrary.OPENBLAS, symbols).get("version"));
    }

    @Test
    void aBlasThatIsNotOpenBlasIsRefused() {
        openBlasWithConfig("OpenBLAS 0.3.31");
        functions.remove("openblas_get_corename");
        LoadFailure refused = assertThrows(LoadFailure.class,
                () -> LibraryCheck.details(NativeLibrary.OPENBLAS, symbols));
        assertEquals("it has no function openblas_get_corename, so it is not an OpenBLAS with CBLAS",
                refused.getMessage());
    }

    @Test
    void anOldCudaDriverIsRefusedByItsVersion() throws Exception {
        for (String function : new String[] {"cuInit", "cuLaunchKernel", "cuModuleLoadDataEx", "cuStreamBeginCapture_v2",
            "cuGraphInstantiateWithFlags"}) {
            functions.put(function, returningInt(0));
        }
        MethodHandle version = MethodHandles.lookup().findStatic(LibraryCheckTest.class, "version124",
                MethodType.methodType(int.class, MemorySegment.class));
        functions.put("cuDriverGetVersion", stub(version,
                FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.ADDRESS)));
        LoadFailure refused = assertThrows(LoadFailure.class, () -> LibraryCheck.details(NativeLibrary.CUDA, symbols));
        assertEquals("it has no function cuEventElapsedTime_v2, so it is a driver for CUDA 12.4, which is too old; install a "
                + "newer NVIDIA driver", refused.getMessage());
    }

    static int version124(MemorySegment result) {
        result.reinterpret(Integer.BYTES).set(ValueLayout.JAVA_INT, 0, 12040);
        return 0;
    }

    static int upToAvx2(int level) {
        return level <= 1 ? 1 : 0;
    }

    private void openBlasWithConfig(String config) {
        functions.put("openblas_get_config", returningString(config));
        functions.put("openblas_get_corename", returningString("Core"));
        for (String unused : new String[] {"cblas_sgemm", "cblas_sgemv", "openblas_set_num_threads",
            "openblas_get_num_threads"}) {
            functions.put(unused, returningInt(0));
        }
    }

    private MemorySegment returningInt(int value) {
        return stub(MethodHandles.constant(int.class, value), FunctionDescriptor.of(ValueLayout.JAVA_INT));
    }

    private MemorySegment returningString(String value) {
        return stub(MethodHandles.constant(MemorySegment.class, arena.allocateFrom(value)),
                FunctionDescriptor.of(ValueLayout.ADDRESS));
    }

    private MemorySegment stub(MethodHandle target, FunctionDescriptor descriptor) {
        return Linker.nativeLinker().upcallStub(target, descriptor, arena);
    }
}
