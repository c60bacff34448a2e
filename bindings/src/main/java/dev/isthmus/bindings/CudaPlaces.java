package dev.isthmus.bindings;

import java.io.File;
import java.io.IOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * The places of CUDA's libraries on systems whose loader does not find them: the toolkit's own folders, those of drivers in
 * containers and WSL, and the packages that PyTorch brings along, of active Python environments, of every {@code python3}
 * on the path, and of the user.
 */
final class CudaPlaces {
    private static final List<String> FIXED = List.of("/usr/local/cuda/lib64", "/usr/local/nvidia/lib64",
            "/usr/lib/wsl/lib", "/opt/cuda/lib64");

    /** The folders of a Python environment's packages, below its root. */
    private static final List<String> LIBRARIES = List.of("lib", "lib64");
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
        pythonRoots(settings).forEach(root -> addPython(folders, root));
        return folders;
    }

    private static Set<Path> pythonRoots(Settings settings) {
        Set<Path> roots = new LinkedHashSet<>();
        addRoot(roots, settings.variable("VIRTUAL_ENV"));
        addRoot(roots, settings.variable("CONDA_PREFIX"));
        String path = settings.variable("PATH");
        for (String folder : path == null ? new String[0] : path.split(File.pathSeparator)) {
            addInterpreterRoots(roots, folder);
        }
        String home = settings.variable("HOME");
        addRoot(roots, home == null ? null : home + "/.local");
        addRoot(roots, "/usr/local");
        addRoot(roots, "/usr");
        return roots;
    }

    private static void addRoot(Set<Path> roots, String root) {
        if (root != null && !root.isEmpty()) {
            try {
                roots.add(Path.of(root));
            } catch (InvalidPathException ignored) {
                // A variable that names no path names no environment.
            }
        }
    }

    /** A virtual environment's interpreter is a link to the one that it was made with, whose packages it may use too. */
    private static void addInterpreterRoots(Set<Path> roots, String folder) {
        if (folder.isEmpty()) {
            return;
        }
        try {
            Path python = Path.of(folder, "python3").toAbsolutePath();
            if (Files.isExecutable(python)) {
                for (Path binary : List.of(python, python.toRealPath())) {
                    Path root = binary.getParent().getParent();
                    if (root != null) {
                        roots.add(root);
                    }
                }
            }
        } catch (IOException | InvalidPathException ignored) {
            // No interpreter there.
        }
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

    private static void addPython(List<Path> folders, Path root) {
        for (String library : LIBRARIES) {
            try (DirectoryStream<Path> versions = Files.newDirectoryStream(root.resolve(library), "python3*")) {
                for (Path version : versions) {
                    for (String packages : PACKAGES) {
                        NVIDIA.forEach(nvidia -> folders.add(version.resolve(packages).resolve(nvidia)));
                    }
                }
            } catch (IOException | DirectoryIteratorException ignored) {
                // No such environment.
            }
        }
    }
}
