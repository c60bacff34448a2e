package dev.isthmus.tools.commands;

import dev.isthmus.tools.io.Console;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Function;
import picocli.CommandLine;

/** All commands by their names. */
public final class Commands {

    private static final Map<String, Function<Console, Object>> ALL = all();

    private Commands() {}

    private static Map<String, Function<Console, Object>> all() {
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

    /**
     * The command line for some arguments. picocli takes some 10 ms to read a command's annotations, so only those
     * needed are added: the command that the first argument names, or all.
     */
    public static CommandLine line(Console console, String... args) {
        CommandLine line = new CommandLine(new IsthmusCommand());
        ALL.forEach((name, command) -> {
            if (args.length == 0 || args[0].equals(name) || !ALL.containsKey(args[0])) {
                line.addSubcommand(command.apply(console));
            }
        });
        return line;
    }
}
