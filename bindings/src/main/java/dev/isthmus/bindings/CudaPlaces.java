package dev.isthmus.bindings;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Where CUDA's libraries lie on systems whose loader does not find them: the toolkit's own folders, those of drivers in
 * containers and WSL, and Python's packages, which PyTorch brings along.
 */
final class CudaPlaces {
    private static final List<String> FIXED = List.of("/usr/local/cuda/lib64", "/usr/local/nvidia/lib64",
            "/usr/lib/wsl/lib", "/opt/cuda/lib64");

    /** The folders of a Python environment's packages, below its root. */
    private static final List<String> PACKAGES = List.of("site-packages", "dist-packages");
    private static final List<String> NVIDIA = List.of("nvidia/cu13/lib", "nvidia/cublas/lib");

    private CudaPlaces() {
    }

    /** The files of these names that are there, by name and then by place, best first. */
    static List<Path> files(List<String> names, Settings settings) {
        List<Path> folders = folders(settings);
        List<Path> files = new ArrayList<>();
        for (String name : names) {
            folders.stream().map(folder -> folder.resolve(name)).filter(Files::isRegularFile).forEach(files::add);
        }
        return files;
    }

    private static List<Path> folders(Settings settings) {
        List<Path> folders = new ArrayList<>();
        for (String variable : List.of("CUDA_HOME", "CUDA_PATH")) {
            addBelow(folders, settings.variable(variable), "lib64");
            addBelow(folders, settings.variable(variable), "bin");
        }
        FIXED.forEach(folder -> folders.add(Path.of(folder)));
        addBelow(folders, settings.variable("CONDA_PREFIX"), "lib");
        for (String root : new String[] {settings.variable("VIRTUAL_ENV"), settings.variable("CONDA_PREFIX"),
                "/usr/local", "/usr"}) {
            addPython(folders, root);
        }
        return folders;
    }

    private static void addBelow(List<Path> folders, String root, String folder) {
        if (root != null) {
            try {
                folders.add(Path.of(root, folder));
            } catch (InvalidPathException ignored) {
                // A variable that names no path names no library.
            }
        }
    }

    private static void addPython(List<Path> folders, String root) {
        if (root == null) {
            return;
        }
        try (DirectoryStream<Path> versions = Files.newDirectoryStream(Path.of(root, "lib"), "python3*")) {
            for (Path version : versions) {
                for (String packages : PACKAGES) {
                    NVIDIA.forEach(nvidia -> folders.add(version.resolve(packages).resolve(nvidia)));
                }
            }
        } catch (IOException | UncheckedIOException | InvalidPathException ignored) {
            // No such environment.
        }
    }
}
