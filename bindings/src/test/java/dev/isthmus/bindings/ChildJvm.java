package dev.isthmus.bindings;

import java.io.File;
import java.io.IOException;
import java.net.URI;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * A JVM of its own that runs {@link ChildMain} on the class path, for what happens once in a process.
 *
 * @param process the process, its standard error joined to its standard output
 */
record ChildJvm(Process process) {
    /** What came of it. */
    record Outcome(int exitCode, String output) {
    }

    static ChildJvm start(List<String> options, String... arguments) throws IOException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(options);
        command.addAll(List.of("-cp", classPath(), ChildMain.class.getName()));
        command.addAll(List.of(arguments));
        return new ChildJvm(new ProcessBuilder(command).redirectErrorStream(true).start());
    }

    Outcome await() throws IOException, InterruptedException {
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return new Outcome(process.waitFor(), output);
    }

    private static String classPath() {
        NativeLibrary openBlas = NativeLibrary.OPENBLAS;
        Platform platform = Platform.current();
        Set<String> roots = new LinkedHashSet<>();
        roots.add(root("dev/isthmus/bindings/NativeLibraries.class"));
        roots.add(root("dev/isthmus/bindings/ChildMain.class"));
        roots.add(root(openBlas.resourceFolder(platform) + "/" + openBlas.bundledFiles(platform).getLast()));
        return String.join(File.pathSeparator, roots);
    }

    /** The folder or jar that the resource lies in. */
    private static String root(String resource) {
        URL url = ChildJvm.class.getClassLoader().getResource(resource);
        String text = url.toString();
        String root = text.substring(0, text.length() - resource.length());
        if (root.startsWith("jar:")) {
            root = root.substring("jar:".length(), root.length() - "!/".length());
        }
        return Path.of(URI.create(root)).toString();
    }
}
