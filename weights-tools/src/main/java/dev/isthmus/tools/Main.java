package dev.isthmus.tools;

import dev.isthmus.tools.commands.Commands;
import dev.isthmus.tools.io.Console;
import java.util.Arrays;
import java.util.Optional;
import picocli.CommandLine;

/** The entry point of the {@code isthmus} command. */
public final class Main {

    private Main() {}

    /** Runs the command line and ends the process with its exit code. */
    public static void main(String[] args) {
        Console console = Console.ofProcess();
        Optional<String> undecoded = Arguments.undecoded(args);
        undecoded.ifPresent(message -> console.say("error: " + message));
        System.exit(undecoded.isPresent() ? CommandLine.ExitCode.USAGE : run(console, args));
    }

    /**
     * Runs a command line.
     *
     * @param console where it reads and writes
     * @param args the arguments, the command's name first
     * @return 0 if it went well, 1 if it failed, 2 if the arguments make no sense
     */
    public static int run(Console console, String... args) {
        CommandLine commandLine = commandLine(console, args);
        int code;
        try {
            code = commandLine.execute(args);
        } catch (Error error) {
            code = Failures.report(console, error, Arrays.asList(args).contains("--verbose"));
        }
        return console.finish() ? code : Math.max(code, CommandLine.ExitCode.SOFTWARE);
    }

    /** The command line with what it does where arguments are wrong or a command fails. */
    static CommandLine commandLine(Console console, String... args) {
        return Commands.line(console, args)
                .setOut(console.out())
                .setErr(console.err())
                .setCaseInsensitiveEnumValuesAllowed(true)
                .setExpandAtFiles(false)
                .setAllowOptionsAsOptionParameters(Arguments.attachDashes(args))
                .setEndOfOptionsDelimiter(Arguments.endOfOptions(args))
                .setExecutionStrategy(UsageErrors::run)
                .setParameterExceptionHandler(new UsageErrors())
                .setExecutionExceptionHandler((exception, command, parsed) ->
                        Failures.report(console, exception, parsed.asCommandLineList().stream()
                                .anyMatch(each -> each.getParseResult().hasMatchedOption("--verbose"))));
    }
}
