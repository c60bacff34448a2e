package dev.isthmus.tools;

import dev.isthmus.tools.io.Console;
import java.io.ByteArrayInputStream;
import java.io.OutputStream;
import java.util.Map;
import picocli.CommandLine;

/** The commands as picocli knows them, for tests outside this package. */
public final class CommandModel {

    private CommandModel() {}

    /** The whole command line, with all commands. */
    public static CommandLine all() {
        return Main.commandLine(new Console(new ByteArrayInputStream(new byte[0]), OutputStream.nullOutputStream(),
                OutputStream.nullOutputStream(), false, Map.of()));
    }
}
