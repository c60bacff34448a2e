package dev.isthmus.tools.docs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.tools.CommandModel;
import dev.isthmus.tools.Main;
import dev.isthmus.tools.ProcessRun;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;
import picocli.CommandLine.ParameterException;

/**
 * The commands of all pages: those of isthmus run on the embedded model or, where they cannot, are parsed; of Maven,
 * scripts and benchmarks everything that they name is there.
 */
class DocumentedCommandsTest {

    /** Commands that are parsed and not run, and why. */
    private static final Map<String, String> ONLY_PARSED = onlyParsed();

    private static final int PATIENCE_SECONDS = 120;

    private static final Pattern OUR_FILE =
            Pattern.compile("(bench|bindings|docs|engine|examples|native-src|weights-tools|\\.ci)/[\\w./-]+");

    /** What a build makes, places that stand for several, and the foo that a reader adds. */
    private static final Pattern NOT_THERE = Pattern.compile("/target/|/[A-Z]+$|foo\\.\\w+$");

    @TempDir
    Path folder;

    private static Map<String, String> onlyParsed() {
        Map<String, String> reasons = new LinkedHashMap<>();
        reasons.put("fetch .*", "it asks the Hugging Face hub; FetchTest runs it against a server of its own");
        reasons.put("parity --model gpt2", "it needs GPT-2's weights; PublishedParityTest runs it where they are");
        reasons.put("bench --model gpt2 .*", "it takes minutes; docs/cli.md has a short one, which runs");
        return reasons;
    }

    private static List<ShellLine> commands() throws IOException {
        List<ShellLine> commands = new ArrayList<>();
        for (Page page : Page.all()) {
            commands.addAll(ShellLine.of(page));
        }
        return commands;
    }

    private static String reason(ShellLine command) {
        String arguments = String.join(" ", command.arguments());
        return ONLY_PARSED.keySet().stream().filter(arguments::matches).findFirst().orElse(null);
    }

    @Test
    void isthmusCommandsRun() throws Exception {
        List<String> lines = commands().stream().filter(ShellLine::isIsthmus).filter(line -> !isSynopsis(line))
                .filter(command -> reason(command) == null).map(RunCommands::encode).toList();
        assertTrue(lines.size() > 15, "the commands are where this test looks for them");
        Path file = Files.write(folder.resolve("commands"), lines);
        assertEquals("", output(RunCommands.class, file.toString()));
    }

    /** The output of a program that runs in the temporary folder, on this process's own class path. */
    private String output(Class<?> program, String argument) throws Exception {
        Path out = folder.resolve("out.txt");
        List<String> child = new ArrayList<>(ProcessRun.command(List.of("-XX:TieredStopAtLevel=1"), argument));
        child.set(child.indexOf(Main.class.getName()), program.getName());
        Process process = new ProcessBuilder(child).directory(folder.toFile()).redirectErrorStream(true)
                .redirectOutput(out.toFile()).start();
        assertTrue(process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS), "the child process did not end");
        assertEquals(0, process.exitValue(), Files.readString(out));
        return Files.readString(out);
    }

    @Test
    void commandsThatDoNotRunAreParsed() throws IOException {
        TreeSet<String> seen = new TreeSet<>();
        for (ShellLine command : commands()) {
            if (command.isIsthmus() && !isSynopsis(command) && reason(command) != null) {
                seen.add(reason(command));
                parse(command);
            }
        }
        assertEquals(new TreeSet<>(ONLY_PARSED.keySet()), seen);
    }

    /** "isthmus COMMAND", which stands for all. */
    private static boolean isSynopsis(ShellLine command) {
        return command.arguments().contains("COMMAND");
    }

    private static void parse(ShellLine command) {
        try {
            CommandModel.all().parseArgs(command.arguments().toArray(String[]::new));
        } catch (ParameterException e) {
            throw new AssertionError(command.toString(), e);
        }
    }

    @Test
    void commandsAndFilesWithinSentencesAreThere() throws IOException {
        List<String> wrong = new ArrayList<>();
        for (Page page : Page.all()) {
            for (String code : page.inlineCode()) {
                if (!code.isBlank()) {
                    wrong.addAll(faults(ShellLine.of(page.name(), code.replace('\n', ' '))));
                }
            }
        }
        assertEquals(List.of(), wrong);
    }

    private static List<String> faults(ShellLine line) throws IOException {
        boolean alone = line.words().size() == 1;
        if (line.isIsthmus()) {
            return alone || isSynopsis(line) ? List.of() : unknownOptions(line);
        } else if (line.program().matches("(\\./)?mvnw?")) {
            return alone ? List.of() : OtherCommands.faults(line);
        }
        boolean ours = OUR_FILE.matcher(line.program()).matches() && !NOT_THERE.matcher(line.program()).find();
        return !ours || Files.exists(Page.ROOT.resolve(line.program())) ? List.of() : List.of(line.toString());
    }

    private static List<String> unknownOptions(ShellLine line) {
        CommandLine command = CommandModel.all().getSubcommands().get(line.words().get(1));
        return line.words().stream().takeWhile(word -> !word.equals("--")).filter(word -> command == null
                || word.startsWith("--") && command.getCommandSpec().findOption(word) == null)
                .map(word -> line + ": " + word).toList();
    }

    @Test
    void aFaultWithinASentenceIsSeen() throws IOException {
        for (String code : List.of("isthmus genrate", "isthmus generate --modell gpt2", "mvn verfy", "docs/none.md",
                "native-src/cuda/none pack")) {
            assertFalse(faults(ShellLine.of("page", code)).isEmpty(), code);
        }
    }

    @Test
    void otherCommandsNameWhatIsThere() throws IOException {
        List<String> wrong = new ArrayList<>();
        for (ShellLine command : commands()) {
            if (!command.isIsthmus()) {
                wrong.addAll(OtherCommands.faults(command));
            }
        }
        assertEquals(List.of(), wrong);
    }

    @Test
    void drawingsAreNotCommands() {
        Page page = Page.of(Page.ROOT, List.of("```", "a --> b", "```", "", "    mvn verify"));
        assertEquals(List.of("mvn verify"), ShellLine.of(page).stream().map(ShellLine::text).toList());
    }

    @Test
    void aCommandThatNamesNothingIsSeen() throws IOException {
        for (String text : List.of("mvn verfy", "mvn -pl engin test", "mvn -Pnone verify", "mvn test -Dtest=NoTest",
                "mvn -pl engine test -Dtest=RoomsTest#noSuchTest", "mvn test -Disthmus.none=1", "bench/peers/none",
                "mvn -pl weights-tools test -Dtest=RoomsTest", "bench/peers/run --none", "sh native-src/none.sh",
                "curl x", "java -jar other.jar", "java -jar bench/target/isthmus-bench-*.jar NoBenchmark",
                "java -cp weights-tools/target/isthmus/lib/*:examples/basics/target/classes dev.isthmus.examples.None",
                "java -jar bench/target/isthmus-bench-*.jar LinearBenchmark -p none=1",
                "java -cp bench/target/isthmus-bench-*.jar dev.isthmus.bench.None")) {
            assertFalse(OtherCommands.faults(ShellLine.of("page", text)).isEmpty(), text);
        }
        assertEquals(List.of(), OtherCommands.faults(ShellLine.of("page", "mvn -q verify   builds everything")));
    }
}
