package dev.isthmus.tools.docs;

import dev.isthmus.tools.CommandRun;
import dev.isthmus.tools.model.ModelDirectory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.stream.Stream;

/**
 * The child process of {@link DocumentedCommandsTest}: runs commands in the folder in which it was started. There the
 * embedded model is the directory {@code MODEL}, and in the Hugging Face cache it is {@code gpt2}.
 */
public final class RunCommands {

    private static final String SEPARATOR = "\u0001";
    private static final Path HUB = Path.of("hub");

    private RunCommands() {}

    /** Takes a file that {@link #encode} has written line by line; prints the commands that did not exit with 0. */
    public static void main(String[] args) throws IOException {
        copyModel(Path.of("MODEL"));
        copyModel(HUB.resolve("models--gpt2/snapshots/embedded"));
        for (String line : Files.readAllLines(Path.of(args[0]))) {
            String[] parts = line.split(SEPARATOR, -1);
            CommandRun run = CommandRun.withInput(parts[1], Map.of("HF_HUB_CACHE", HUB.toAbsolutePath().toString()),
                    Arrays.copyOfRange(parts, 2, parts.length));
            if (run.code() != 0) {
                System.out.println(parts[0] + ": exit code " + run.code() + "\n" + run.out() + run.err());
            }
        }
    }

    /** Writes a command as a line of the file that {@link #main} reads. */
    static String encode(ShellLine command) {
        return String.join(SEPARATOR, Stream.concat(Stream.of(command.toString(), command.input().strip()),
                command.arguments().stream()).toList());
    }

    private static void copyModel(Path target) throws IOException {
        Files.createDirectories(target);
        try (ModelDirectory demo = ModelDirectory.demo(); Stream<Path> files = Files.list(demo.path())) {
            for (Path file : files.toList()) {
                Files.copy(file, target.resolve(file.getFileName().toString()));
            }
        }
    }
}
