package dev.isthmus.tools;

import dev.isthmus.tools.parity.ParityCommand;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import picocli.CommandLine;

/** The entry point of the {@code isthmus} command. */
public final class Main {

    private static final Map<String, Function<Console, Object>> COMMANDS = commands();

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

    private static Map<String, Function<Console, Object>> commands() {
        Map<String, Function<Console, Object>> commands = new LinkedHashMap<>();
        commands.put("generate", GenerateCommand::new);
        commands.put("logits", LogitsCommand::new);
        commands.put("tokenize", TokenizeCommand::new);
        commands.put("score", ScoreCommand::new);
        commands.put("fetch", FetchCommand::new);
        commands.put("bench", BenchCommand::new);
        commands.put("inspect", InspectCommand::new);
        commands.put("verify", VerifyCommand::new);
        commands.put("convert", ConvertCommand::new);
        commands.put("parity", ParityCommand::new);
        commands.put("info", InfoCommand::new);
        return commands;
    }

    /** picocli takes some 10 ms to read a command's annotations, so only those needed are added. */
    static CommandLine commandLine(Console console, String... args) {
        CommandLine commandLine = new CommandLine(new IsthmusCommand());
        COMMANDS.forEach((name, command) -> {
            if (args.length == 0 || args[0].equals(name) || !COMMANDS.containsKey(args[0])) {
                commandLine.addSubcommand(command.apply(console));
            }
        });
        return commandLine
                .setOut(console.out())
                .setErr(console.err())
                .setCaseInsensitiveEnumValuesAllowed(true)
                .setExpandAtFiles(false)
                .setAllowOptionsAsOptionParameters(Arguments.attachDashes(args))
                .setExecutionStrategy(UsageErrors::run)
                .setParameterExceptionHandler(new UsageErrors())
                .setExecutionExceptionHandler((exception, command, parsed) ->
                        Failures.report(console, exception, parsed.asCommandLineList().stream()
                                .anyMatch(each -> each.getParseResult().hasMatchedOption("--verbose"))));
    }
}
