package dev.isthmus.tools;

import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine;
import picocli.CommandLine.IParameterExceptionHandler;
import picocli.CommandLine.MissingParameterException;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.UnmatchedArgumentException;

/**
 * Says what is wrong with a command line, and how to give a text that begins with a dash. picocli's own handler prints
 * the whole help after the message, which then scrolls away.
 */
final class UsageErrors implements IParameterExceptionHandler {

    private static final Pattern OPTION_AS_VALUE = Pattern.compile(".* option '(.+)' but found '(.*)'", Pattern.DOTALL);

    private static final Set<String> HELP = Set.of("-h", "--help", "-V", "--version");

    /**
     * Runs the command, unless it would show its help for a text that only begins as {@code -h} does.
     *
     * @param parsed the command line
     * @return the exit code
     */
    static int run(ParseResult parsed) {
        List<CommandLine> commands = parsed.asCommandLineList();
        boolean wantsHelp = commands.stream().anyMatch(each -> each.isUsageHelpRequested()
                || each.isVersionHelpRequested());
        if (wantsHelp && Collections.disjoint(parsed.originalArgs(), HELP)) {
            throw new ParameterException(commands.getLast(), "expected -h or -V alone, found more letters in the same argument");
        }
        return new CommandLine.RunLast().execute(parsed);
    }

    @Override
    public int handleParseException(ParameterException exception, String[] args) {
        CommandLine command = exception.getCommandLine();
        command.getErr().println("isthmus: error: " + exception.getMessage());
        UnmatchedArgumentException.printSuggestions(exception, command.getErr());
        advice(exception, args).ifPresent(command.getErr()::println);
        command.getErr().println("Try '" + command.getCommandSpec().qualifiedName() + " --help'.");
        return command.getCommandSpec().exitCodeOnInvalidInput();
    }

    private static Optional<String> advice(ParameterException exception, String[] args) {
        CommandSpec spec = exception.getCommandLine().getCommandSpec();
        Matcher option = OPTION_AS_VALUE.matcher(exception.getMessage());
        if (exception instanceof MissingParameterException && option.matches()) {
            return Optional.of("If '" + option.group(2) + "' is its value, write " + option.group(1) + "='"
                    + option.group(2) + "'.");
        }
        if (spec.positionalParameters().isEmpty()) {
            return Optional.empty();
        }
        List<String> options = Arrays.asList(args);
        if (exception instanceof UnmatchedArgumentException && options.contains("--")) {
            return Optional.of("What comes after -- is text: give the options before it, and one text after it.");
        }
        return options.subList(0, options.contains("--") ? options.indexOf("--") : options.size()).stream()
                .filter(each -> each.length() > 1 && each.startsWith("-") && !isOption(spec, each)).findFirst()
                .map(text -> "If '" + text + "' is a text, put it after --: " + spec.qualifiedName() + " … -- '" + text
                        + "'.");
    }

    private static boolean isOption(CommandSpec spec, String argument) {
        return spec.findOption(argument.replaceFirst("=.*", "")) != null;
    }
}
