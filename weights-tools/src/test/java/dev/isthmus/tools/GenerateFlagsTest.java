package dev.isthmus.tools;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The flags of generate that say which tokens to choose. */
class GenerateFlagsTest {

    @TempDir
    static Path folder;

    private static String model;

    @BeforeAll
    static void write() throws IOException {
        model = TinyModel.write(folder).toString();
    }

    private static CommandRun generate(String... flags) {
        CommandRun run = CommandRun.of(Stream.concat(Stream.of("generate", "--ids", "1,2,3", "-m", model, "-n", "12"),
                Arrays.stream(flags)).toArray(String[]::new));
        assertEquals(0, run.code(), run.err());
        return run;
    }

    private static List<String> all(String pattern, String text) {
        return Pattern.compile(pattern).matcher(text).results().map(found -> found.group(1)).toList();
    }

    /** The likeliest tokens under these flags. */
    private static List<String> ids(String... flags) {
        return idsAt("0", flags);
    }

    private static List<String> idsAt(String temperature, String... flags) {
        List<String> with = new ArrayList<>(List.of("--temperature", temperature, "--json"));
        with.addAll(List.of(flags));
        return List.of(all("\"ids\":\\[([0-9,]*)]", generate(with.toArray(String[]::new)).out()).getFirst().split(","));
    }

    @Test
    void rulesChangeTheLikeliestTokens() {
        String first = ids().getFirst();
        assertFalse(ids("--ban-ids", first).contains(first));
        assertFalse(ids("--logit-bias", first + "=-1000").contains(first));
        assertEquals(12, ids("--no-repeat-ngram", "1").stream().distinct().count());
        assertEquals(12, ids("--frequency-penalty", "1000").stream().distinct().count());
        assertEquals(12, ids("--presence-penalty", "1000").stream().distinct().count());
        assertEquals(List.of("77", "78"), List.of(ids("--force-first", "77").getFirst(),
                ids("--force-last", "78").getLast()));
        List<String> biased = ids("--logit-bias", "100=2000,101=1000", "--no-repeat-ngram", "1");
        assertEquals(List.of("100", "101"), biased.subList(0, 2));
    }

    @Test
    void aBannedTextIsThatOfItsTokens() {
        List<String> biased = ids("--logit-bias", "97=1000");
        assertTrue(biased.stream().allMatch("97"::equals), biased.toString());
        List<String> banned = ids("--logit-bias", "97=2000,98=1000", "--ban", "aa", "--top-k", "1", "--ban", "ba");
        assertEquals(List.of("97", "98", "98"), banned.subList(0, 3), "flags may come several times, others between");
    }

    @Test
    void truncationToOneTokenIsGreedy() {
        List<String> greedy = ids();
        for (String[] flag : List.of(new String[] {"--top-k", "1"}, new String[] {"--top-p", "1e-9"},
                new String[] {"--min-p", "1"})) {
            assertEquals(greedy, idsAt("1", flag), flag[0]);
        }
    }

    @Test
    void logProbabilitiesComeWithEachToken() {
        String json = generate("--temperature", "0", "--json", "--logprobs", "2").out();
        String token = "\\{\"id\":(\\d+),\"logprob\":(-[0-9.E-]+),\"top\":\\[\\{\"id\":\\1,\"logprob\":\\2},"
                + "\\{\"id\":\\d+,\"logprob\":-[0-9.E-]+}]}";
        assertEquals(12, all(token, json).size(), json);
    }

    @Test
    void beamsAndTheBestOfSeveralAreWholeContinuationsBestFirst() {
        for (String[] flags : List.of(new String[] {"--beams", "3"}, new String[] {"--best-of", "3", "--seed", "5"})) {
            List<String> search = new ArrayList<>(List.of(flags));
            search.addAll(List.of("--return", "2"));
            CommandRun plain = generate(search.toArray(String[]::new));
            search.add("--json");
            String json = generate(search.toArray(String[]::new)).out();
            List<Double> scores = all("\"score\":(-[0-9.E-]+)", json).stream().map(Double::valueOf).toList();
            assertEquals(2, scores.size(), json);
            assertTrue(scores.get(0) > scores.get(1), json);
            assertEquals(flags[0].equals("--best-of"), json.contains("\"seed\":5"), json);
            assertTrue(json.startsWith("{\"prompt_ids\":[1,2,3],\"completions\":[{\"ids\":["), json);
            assertEquals(2, all("(\u0001\u0002\u0003)", plain.out()).size(), plain.out());
            assertTrue(plain.err().contains("2 shown, scores: -"), plain.err());
        }
        generate("--beams", "2", "--early-stopping", "never", "--length-penalty", "0.5");
    }

    @Test
    void flagsThatContradictOneAnotherAreRefused() {
        for (String flags : List.of("--beams 2 --best-of 2", "--beams 2 --stop x", "--logprobs 1", "--return 2",
                "--beams 2 --return 3", "--beams 2 --json --logprobs 1", "--best-of 2 --return 0",
                "--early-stopping perhaps", "--logit-bias 7")) {
            CommandRun run = CommandRun.of(("generate a -m " + model + " " + flags).split(" "));
            assertEquals(2, run.code(), flags + ": " + run.err());
        }
        CommandRun run = CommandRun.of("generate", "a", "-m", model, "--beams", "1");
        assertEquals(1, run.code());
        assertTrue(run.err().contains("beams must be >= 2"), run.err());
    }

    @Test
    void helpGroupsTheFlags() {
        String help = CommandRun.of("generate", "--help").out();
        int at = 0;
        for (String expected : List.of("How to choose each token:", "--temperature", "--seed",
                "What to avoid and what to favour:", "--ban", "Where to end:", "--stop", "Whole continuations",
                "--beams")) {
            assertTrue(help.indexOf(expected, at) > at, expected + " comes next in\n" + help);
            at = help.indexOf(expected, at);
        }
    }

    @Test
    void nothingIsPrintedBeforeOptionsAreChecked() {
        for (String flag : List.of("--force-first", "--ban-ids", "--force-last")) {
            CommandRun run = CommandRun.of("generate", "a", "-n", "1", flag, "1000000");
            assertEquals(1, run.code(), run.err());
            assertEquals("", run.out());
        }
    }
}
