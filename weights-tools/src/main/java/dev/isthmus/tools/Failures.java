package dev.isthmus.tools;

import dev.isthmus.engine.errors.EngineException;
import dev.isthmus.tools.io.CommandException;
import dev.isthmus.tools.io.Console;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import picocli.CommandLine.ExitCode;

/** Turns what goes wrong into a message and an exit code. */
final class Failures {

    private Failures() {}

    /**
     * Tells the user of a failure.
     *
     * @param verbose whether the stack trace is shown too
     * @return the exit code
     */
    static int report(Console console, Throwable failure, boolean verbose) {
        console.out().flush();
        console.say("error: " + message(failure));
        if (verbose) {
            failure.printStackTrace(console.err());
        }
        return ExitCode.SOFTWARE;
    }

    private static String message(Throwable failure) {
        return switch (failure) {
            case EngineException e -> e.getMessage();
            case CommandException e -> e.getMessage();
            case UncheckedIOException e -> message(e.getCause());
            case IOException e -> message(e);
            case OutOfMemoryError e -> "there is not enough memory (" + e.getMessage() + "; the Java heap may grow to "
                    + (Runtime.getRuntime().maxMemory() >> 20) + " MiB); close other programs, use a smaller model,"
                    + " or allow a larger heap with ISTHMUS_JAVA_OPTS=-Xmx4g";
            case IllegalCallerException e -> "Java was started without access to native code (" + e.getMessage()
                    + "); start it with --enable-native-access=ALL-UNNAMED, as the isthmus launcher does";
            default -> "this is a bug in isthmus: " + failure + "; please report it with what --verbose shows";
        };
    }

    /** The message of many a file system exception is the path alone. */
    private static String message(IOException failure) {
        return switch (failure) {
            case NoSuchFileException e -> e.getFile() + ": there is no such file or directory";
            case AccessDeniedException e -> e.getFile() + ": access is denied; check the permissions";
            case FileSystemException e when e.getReason() != null -> e.getFile() + ": " + e.getReason();
            default -> failure.getMessage() == null ? failure.toString() : failure.getMessage();
        };
    }
}
