package dev.isthmus.tools;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * A shell script that ran, in UTF-8 whatever the locale: Java would write a process's arguments in the locale's charset.
 *
 * @param code its exit code
 * @param out what it wrote to standard output
 * @param err what it wrote to standard error
 */
record ShellRun(int code, String out, String err) {

    private static final int PATIENCE_SECONDS = 120;

    /** Runs a script in a folder, with arguments and environment variables; those that are empty are removed. */
    static ShellRun of(Path folder, Map<String, String> environment, String script, String... args)
            throws IOException, InterruptedException {
        Path file = Files.writeString(Files.createTempFile(folder, "script", ".sh"), "set -eu\n" + script + "\n");
        Path out = Files.createTempFile(folder, "out", ".txt");
        Path err = Files.createTempFile(folder, "err", ".txt");
        ProcessBuilder builder = new ProcessBuilder("sh", file.toString()).directory(folder.toFile())
                .redirectOutput(out.toFile()).redirectError(err.toFile()).redirectInput(new File("/dev/null"));
        builder.command().addAll(List.of(args));
        environment.forEach((name, value) -> {
            builder.environment().remove(name);
            if (!value.isEmpty()) {
                builder.environment().put(name, value);
            }
        });
        Process process = builder.start();
        if (!process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS)) {
            process.destroyForcibly();
            throw new AssertionError("the script did not end: " + script);
        }
        return new ShellRun(process.exitValue(), Files.readString(out), Files.readString(err));
    }
}
