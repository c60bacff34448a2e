package dev.isthmus.tools;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * A command that ran in a process of its own, as users run it.
 *
 * @param code its exit code
 * @param out what it wrote to standard output
 * @param err what it wrote to standard error
 * @param crashed whether the virtual machine left a crash report
 */
public record ProcessRun(int code, String out, String err, boolean crashed) {

    private static final int PATIENCE_SECONDS = 120;

    /** Runs a command line in a folder, with options for the virtual machine and environment variables. */
    public static ProcessRun of(Path folder, List<String> options, Map<String, String> environment, String... args)
            throws IOException, InterruptedException {
        Path out = Files.createTempFile(folder, "out", ".txt");
        Path err = Files.createTempFile(folder, "err", ".txt");
        ProcessBuilder builder = new ProcessBuilder(command(options, args)).directory(folder.toFile())
                .redirectOutput(out.toFile()).redirectError(err.toFile()).redirectInput(new File("/dev/null"));
        builder.environment().putAll(environment);
        Process process = builder.start();
        if (!process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS)) {
            process.destroyForcibly();
            throw new AssertionError("the command did not end: " + String.join(" ", args));
        }
        try (Stream<Path> files = Files.list(folder)) {
            return new ProcessRun(process.exitValue(), Files.readString(out), Files.readString(err),
                    files.anyMatch(file -> file.getFileName().toString().startsWith("hs_err")));
        }
    }

    /** The command line of a process that runs what this process was started with. */
    public static List<String> command(List<String> options, String... args) {
        String classPath = Stream.of("java.class.path", "jdk.module.path").map(System::getProperty)
                .filter(path -> path != null && !path.isEmpty()).collect(Collectors.joining(File.pathSeparator));
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-XX:+UseSerialGC"));
        if (options.stream().noneMatch(option -> option.contains("native-access"))) {
            command.add("--enable-native-access=ALL-UNNAMED");
        }
        command.addAll(options);
        command.addAll(List.of("-cp", classPath, Main.class.getName()));
        command.addAll(List.of(args));
        return command;
    }
}
