package dev.isthmus.tools;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Texts as arguments: what they begin with and which bytes they are makes no difference, or the message says so. */
class ArgumentsTest {

    @TempDir
    static Path folder;

    private static String model;
    private static String file;

    @BeforeAll
    static void makeModel() throws IOException {
        model = TinyModel.write(folder.resolve("model")).toString();
        file = Files.writeString(folder.resolve("notes"), "secret").toString();
    }

    /** As TinyModel's tokenizer encodes ASCII: a token for each byte. */
    private static String ids(String text) {
        CommandRun run = CommandRun.withInput(text, Map.of(), "tokenize", "-", "--model", model);
        assertEquals(0, run.code(), run.err());
        return run.out();
    }

    @Test
    void textThatBeginsWithAtIsNoFile() {
        String text = "@" + file;
        for (List<String> words : List.of(List.of(text), List.of("--", text), List.of("--json", "--", text))) {
            String[] args = Stream.concat(Stream.of("tokenize", "--model", model), words.stream())
                    .toArray(String[]::new);
            String out = CommandRun.of(args).out();
            String expected = ids(text).strip();
            assertTrue(out.contains(args.length == 6 ? expected.replace(' ', ',') : expected), words + ": " + out);
        }
    }

    @Test
    void optionThatBeginsWithAtIsNoFile() {
        assertEquals(CommandRun.withInput("@" + file, Map.of(), "score", "--file", "-", "--model", model).out(),
                CommandRun.of("score", "--text", "@" + file, "--model", model).out());
        CommandRun run = CommandRun.of("generate", "a", "--stop", "@" + file, "--ban", "@" + file, "--max-tokens", "1",
                "--model", "@" + file);
        assertEquals(1, run.code());
        assertTrue(run.err().contains("there is no model '@" + file + "'"), run.err());
    }

    @ParameterizedTest
    @ValueSource(strings = {"-5 degrees", "--the", "-my dog", "-nice weather", "-hello", "-Very", "-", "--"})
    void textThatBeginsWithDashGoesAfterTwo(String text) {
        CommandRun run = CommandRun.withInput(text, Map.of(), "tokenize", "--model", model, "--", text);
        assertEquals(0, run.code(), run.err());
        assertEquals(ids(text), run.out());
    }

    @ParameterizedTest
    @ValueSource(strings = {"-5 degrees", "--the", "-my dog", "-nice weather", "-hello", "-Very"})
    void textThatBeginsWithDashIsExplained(String text) {
        CommandRun run = CommandRun.of("generate", text);
        assertEquals(2, run.code());
        assertEquals("", run.out());
        assertTrue(run.err().contains("put it after --: isthmus generate … -- '" + text + "'."), run.err());
    }

    @ParameterizedTest
    @CsvSource({"generate, --stop, -f", "generate, --ban, --seed", "score, --text, -h"})
    void optionAsValueIsExplained(String command, String option, String value) {
        CommandRun run = CommandRun.of(command, option, value);
        assertEquals(2, run.code());
        assertTrue(run.err().contains("write " + option + "='" + value + "'."), run.err());
    }

    @ParameterizedTest
    @ValueSource(strings = {"-f", "--json", "-n1", "--", "-h", "-5", "-"})
    void attachedValueMayReadLikeAnOption(String text) {
        CommandRun run = CommandRun.of("generate", "a", "--stop=" + text, "--ban=" + text, "--stop=b", "-n", "1",
                "--model", model);
        assertEquals(0, run.code(), run.err());
        assertFalse(run.out().startsWith("{"), run.out());
    }

    @Test
    void optionsAfterTwoDashesAreExplained() {
        for (String text : List.of("-5 degrees", "a")) {
            CommandRun run = CommandRun.of("generate", "--", text, "--model", model);
            assertEquals(2, run.code());
            assertTrue(run.err().contains("give the options before it"), run.err());
        }
    }

    /** Runs the command in a JVM without the launcher; the words are as a shell reads them. */
    private static ShellRun java(Map<String, String> environment, String words) throws Exception {
        return ShellRun.of(folder, environment, "exec \"$@\" " + words,
                ProcessRun.command(List.of()).toArray(String[]::new));
    }

    @ParameterizedTest
    @ValueSource(strings = {"LC_ALL=C", "LANG=xx_YY LC_CTYPE=C.UTF-8"})
    @DisabledOnOs(value = OS.WINDOWS, disabledReason = "arguments are text there")
    void argumentsThatJavaCannotDecodeAreRefused(String locale) throws Exception {
        ShellRun run = java(withLocale(locale), "tokenize 'a café' --model '" + model + "'");
        assertEquals(2, run.code(), run.err());
        assertEquals("", run.out());
        assertTrue(run.err().contains("argument 2, ") && run.err().contains("set LC_ALL=C.UTF-8"), run.err());
    }

    @Test
    @DisabledOnOs(value = OS.WINDOWS, disabledReason = "arguments are text there")
    void replacementCharacterCanBeTyped() throws Exception {
        Map<String, String> utf8 = withLocale("LC_ALL=C.UTF-8");
        ShellRun typed = java(utf8, "tokenize '\uFFFD' --model '" + model + "'");
        assertEquals(0, typed.code(), typed.err());
        assertEquals(ids("\uFFFD"), typed.out());
        ShellRun other = java(utf8, "tokenize \"$(printf '\\351')\" --model '" + model + "'");
        assertEquals(2, other.code(), other.err());
        assertTrue(other.err().contains("argument 2, "), other.err());
    }

    @ParameterizedTest
    @ValueSource(strings = {"tokenize - <&-", "generate --file - </", "score --file - <&-"})
    @DisabledOnOs(value = OS.WINDOWS, disabledReason = "standard input is never closed there")
    void standardInputThatCannotBeReadIsNamed(String words) throws Exception {
        ShellRun run = java(Map.of(), words.replaceFirst(" ", " --model '" + model + "' "));
        assertEquals(1, run.code(), run.err());
        assertEquals("", run.out());
        assertTrue(run.err().contains("standard input, which cannot be read: "), run.err());
    }

    /** The locale's variables alone that are named here. */
    static Map<String, String> withLocale(String variables) {
        Map<String, String> environment = new HashMap<>(Map.of("LC_ALL", "", "LC_CTYPE", "", "LANG", ""));
        Arrays.stream(variables.split(" ")).map(each -> each.split("=", 2))
                .forEach(each -> environment.put(each[0], each[1]));
        return environment;
    }
}
