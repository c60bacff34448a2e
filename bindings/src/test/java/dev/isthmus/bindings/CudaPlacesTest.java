package dev.isthmus.bindings;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CudaPlacesTest {

    private static final List<String> NAMES = List.of("libnosuchblas.so.13", "libnosuchblas.so.12");

    @TempDir
    private Path dir;

    @Test
    void theNewestNameIsFoundFirstWhereverItLies() throws IOException {
        Path toolkit = file("cuda/lib64/" + NAMES.getLast());
        Path python = file("venv/lib/python3.12/site-packages/nvidia/cu13/lib/" + NAMES.getFirst());
        assertEquals(List.of(python, toolkit), CudaPlaces.files(NAMES, settings(Map.of(
                "CUDA_HOME", dir.resolve("cuda").toString(), "VIRTUAL_ENV", dir.resolve("venv").toString()))));
    }

    @Test
    void pythonOnThePathIsAskedWithoutItsVariables() throws IOException {
        Path library = file("venv/lib/python3.12/site-packages/nvidia/cu13/lib/" + NAMES.getFirst());
        Path base = file("base/lib64/python3.12/site-packages/nvidia/cublas/lib/" + NAMES.getFirst());
        Path binary = file("base/bin/python3.12");
        assertTrue(binary.toFile().setExecutable(true));
        Path link = dir.resolve("venv/bin/python3");
        Files.createDirectories(link.getParent());
        Files.createSymbolicLink(link, binary);
        assertEquals(List.of(library, base.toRealPath()), CudaPlaces.files(NAMES, settings(Map.of("PATH",
                String.join(File.pathSeparator, "", "\0", "/no/such/folder", link.getParent().toString())))));
    }

    @Test
    void packagesOfTheUserAreFound() throws IOException {
        Path library = file("me/.local/lib/python3.13/site-packages/nvidia/cublas/lib/" + NAMES.getLast());
        assertEquals(List.of(library), CudaPlaces.files(NAMES, settings(Map.of("HOME", dir.resolve("me").toString()))));
    }

    @Test
    void variablesThatNameNothingAreNoFault() {
        assertEquals(List.of(), CudaPlaces.files(NAMES, settings(Map.of(
                "CUDA_HOME", "\0", "CUDA_PATH", "/no/such/folder", "CONDA_PREFIX", "\0", "VIRTUAL_ENV", "relative",
                "HOME", "\0", "PATH", File.pathSeparator))));
    }

    @Test
    void cublasComesWithTheLibraryThatItNeedsFromTheSameFolder() {
        assertEquals(List.of("libcublasLt.so.13"),
                NativeLibrary.CUBLAS.dependencies(Platform.current(), "libcublas.so.13"));
    }

    @Test
    void aLibraryThatIsNoDriverIsRefusedByItsFunctions() {
        Path isthmus = Path.of(NativeLibraries.status(NativeLibrary.ISTHMUS).loaded().orElseThrow().path());
        LibraryStatus status = LibrarySearch.run(NativeLibrary.CUDA,
                new Settings(Map.of("isthmus.cuda", isthmus.toString())::get, Map.<String, String>of()::get),
                Platform.current(), getClass().getClassLoader()).status();
        String reason = status.attempts().getFirst().failure().orElseThrow();
        assertTrue(reason.contains("no function cuInit") && reason.contains("install a newer NVIDIA driver"), reason);
    }

    private Path file(String name) throws IOException {
        Path file = dir.resolve(name);
        Files.createDirectories(file.getParent());
        return Files.writeString(file, "");
    }

    private static Settings settings(Map<String, String> variables) {
        return new Settings(name -> null, variables::get);
    }
}
