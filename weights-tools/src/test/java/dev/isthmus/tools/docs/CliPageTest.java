package dev.isthmus.tools.docs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.bindings.NativeLibrary;
import dev.isthmus.tools.CommandModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;

/** The page docs/cli.md has the commands, options, values and variables that the code has, and no others. */
class CliPageTest {

    private static final String COMMON = "Common options";
    private static final String MODEL = "Model options";
    private static final Pattern DEFAULT = Pattern.compile("Default[^:]*: (\\w[\\w+,.-]*\\w|\\w)");
    private static final Pattern VARIABLE = Pattern.compile("ISTHMUS_[A-Z0-9_]+");

    private final Page page = read();

    private static Page read() {
        try {
            return Page.named("docs/cli.md");
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void commandsAreThoseOfTheCommandLine() {
        assertEquals(CommandModel.all().getSubcommands().keySet(), codeOrLinks(page.section("The command")));
    }

    private static Set<String> codeOrLinks(List<String> lines) {
        return lines.stream().map(Pattern.compile("^\\| \\[(\\w+)\\]\\(#\\1\\) ")::matcher)
                .flatMap(matcher -> matcher.results()).map(result -> result.group(1))
                .collect(Collectors.toCollection(TreeSet::new));
    }

    @Test
    void optionsAreThoseOfEachCommand() {
        for (Map.Entry<String, CommandLine> command : CommandModel.all().getSubcommands().entrySet()) {
            assertEquals(lines(parsed(command.getValue().getCommandSpec())), lines(documented(command.getKey())),
                    () -> "docs/cli.md, section " + command.getKey());
        }
    }

    private static String lines(Map<String, String> options) {
        return options.entrySet().stream().map(option -> option.getKey() + " " + option.getValue())
                .collect(Collectors.joining("\n"));
    }

    /** The names of a command's options with the labels of their values. */
    private static Map<String, String> parsed(CommandSpec command) {
        Map<String, String> options = new TreeMap<>();
        for (OptionSpec option : command.options()) {
            if (!option.hidden()) {
                options.put(Stream.of(option.names()).sorted().collect(Collectors.joining(" ")),
                        option.arity().max() == 0 ? "" : option.paramLabel());
            }
        }
        return options;
    }

    private Map<String, String> documented(String command) {
        List<String> section = page.section(command);
        Map<String, String> options = new TreeMap<>(options(section));
        String text = String.join(" ", section);
        for (String shared : List.of(MODEL, COMMON)) {
            if (text.contains("(#" + shared.toLowerCase().replace(' ', '-') + ")")) {
                options.putAll(options(page.section(shared)));
            }
        }
        return options;
    }

    private static Map<String, String> options(List<String> lines) {
        Map<String, String> options = new TreeMap<>();
        for (List<String> row : Page.tableRows(lines)) {
            List<String> code = Page.code(row.getFirst());
            if (!code.isEmpty() && code.getFirst().startsWith("-")) {
                options.put(code.stream().map(each -> each.split(" ")[0]).sorted().collect(Collectors.joining(" ")),
                        code.getLast().contains(" ") ? code.getLast().substring(code.getLast().indexOf(' ') + 1) : "");
            }
        }
        return options;
    }

    @Test
    void defaultsAreThoseOfTheHelpTexts() {
        int defaults = 0;
        for (Map.Entry<String, CommandLine> command : CommandModel.all().getSubcommands().entrySet()) {
            for (OptionSpec option : command.getValue().getCommandSpec().options()) {
                String help = defaultOf(String.join(" ", option.description()));
                defaults += help.isEmpty() ? 0 : 1;
                assertEquals(help, defaultOf(effect(command.getKey(), option.longestName())),
                        () -> "docs/cli.md: the default of " + command.getKey() + " " + option.longestName());
            }
        }
        assertTrue(defaults > 20, "the defaults are where this test looks for them");
    }

    /** The first word of the default that a text states; empty if it states none. */
    private static String defaultOf(String text) {
        return DEFAULT.matcher(text).results().map(result -> result.group(1)).findFirst().orElse("");
    }

    private String effect(String command, String option) {
        return Stream.of(command, MODEL, COMMON).flatMap(section -> Page.tableRows(page.section(section)).stream())
                .filter(row -> Page.code(row.getFirst()).stream().anyMatch(each -> each.split(" ")[0].equals(option)))
                .map(row -> row.get(1)).findFirst().orElse("");
    }

    @Test
    void variablesAreThoseThatTheCodeReads() throws IOException {
        Set<String> read = new TreeSet<>();
        for (NativeLibrary library : NativeLibrary.values()) {
            read.add(library.variable());
        }
        Pattern quoted = Pattern.compile("\"(" + VARIABLE + ")\"");
        for (String module : List.of("bindings", "engine", "weights-tools")) {
            try (Stream<Path> sources = Files.walk(Page.ROOT.resolve(module).resolve("src/main/java"))) {
                for (Path source : sources.filter(path -> path.toString().endsWith(".java")).toList()) {
                    quoted.matcher(Files.readString(source)).results().forEach(result -> read.add(result.group(1)));
                }
            }
        }
        VARIABLE.matcher(Files.readString(Page.ROOT.resolve("isthmus"))).results()
                .forEach(result -> read.add(result.group()));
        read.add("ISTHMUS_GPT2");
        Set<String> documented = VARIABLE.matcher(String.join("\n", page.section("Variables"))).results()
                .map(result -> result.group()).collect(Collectors.toCollection(TreeSet::new));
        assertEquals(read, documented);
    }
}
