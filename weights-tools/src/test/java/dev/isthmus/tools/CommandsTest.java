package dev.isthmus.tools;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.bindings.NativeLibraries;
import dev.isthmus.bindings.NativeLibrary;
import dev.isthmus.engine.api.Distribution;
import dev.isthmus.engine.api.LogitsVisitor;
import dev.isthmus.engine.api.Model;
import dev.isthmus.engine.api.Session;
import dev.isthmus.engine.checkpoint.Checkpoint;
import dev.isthmus.engine.weights.TensorInfo;
import dev.isthmus.tools.io.Console;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the commands print, and with which exit codes they end. */
class CommandsTest {

    @TempDir
    static Path folder;

    private static String model;
    private static String idsOnly;

    @BeforeAll
    static void makeModels() throws IOException {
        model = TinyModel.write(folder.resolve("tiny model")).toString();
        idsOnly = TinyModel.writeWithoutTokenizer(folder.resolve("ids")).toString();
    }

    @Test
    void aFullContextKeepsTheText() {
        String prompt = "x".repeat(TinyModel.CONTEXT - 2);
        CommandRun whole = CommandRun.of("generate", prompt, "--model", model, "--max-tokens", "3", "--temperature", "0");
        CommandRun full = CommandRun.of("generate", prompt, "--model", model, "--max-tokens", "30", "--temperature", "0");
        assertEquals(0, full.code(), full.err());
        assertEquals(whole.out(), full.out());
        assertTrue(full.err().contains("context is full"), full.err());
        assertTrue(full.err().contains("3 tokens in "), full.err());
        CommandRun json = CommandRun.of("generate", prompt, "--model", model, "--max-tokens", "30",
                "--temperature", "0", "--json");
        assertEquals(0, json.code(), json.err());
        assertTrue(json.out().contains("\"finish_reason\":\"context_full\""), json.out());
        CommandRun several = CommandRun.of("generate", prompt, "--model", model, "--max-tokens", "30", "--best-of", "2",
                "--json");
        assertEquals(0, several.code(), several.err());
        assertTrue(several.out().contains("\"finish_reason\":\"context_full\""), several.out());
    }

    @Test
    void withoutACommandTheUsageIsWrong() {
        CommandRun run = CommandRun.of();
        assertEquals(2, run.code());
        assertEquals("", run.out());
        assertTrue(run.err().startsWith("isthmus: error: a command is missing"), run.err());
    }

    @Test
    void argumentsThatMakeNoSenseEndWithTwo() {
        for (String[] args : List.of(new String[] {"dance"}, new String[] {"generate"},
                new String[] {"generate", "a", "--ids", "1"}, new String[] {"generate", "a", "--max-tokens", "many"},
                new String[] {"generate", "a", "--backend", "abacus"}, new String[] {"generate", "--ids", "1,x"},
                new String[] {"generate", "a", "--threads", "-1"},
                new String[] {"generate", "a", "--threads", "1000000000"}, new String[] {"logits", "--text", "a"},
                new String[] {"score", "--text", "a", "--stride", "0"}, new String[] {"inspect"},
                new String[] {"fetch"}, new String[] {"verify"}, new String[] {"convert", "a", "b"},
                new String[] {"convert", "a", "b", "--dtype", "f8"},
                new String[] {"convert", "a", "b", "--dtype", "f16", "--shard-size", "few"},
                new String[] {"tokenize", "a", "--decode", "1"}, new String[] {"info", "--model", "x"})) {
            CommandRun run = CommandRun.of(args);
            assertEquals(2, run.code(), String.join(" ", args));
            assertEquals("", run.out());
            assertTrue(run.err().startsWith("isthmus: error: "), run.err());
            assertTrue(run.err().contains("--help'"), run.err());
        }
    }

    @Test
    void helpGoesToStandardOutputAndStatesTheExitCodes() {
        CommandRun run = CommandRun.of("--help");
        assertEquals(0, run.code());
        for (String expected : List.of("generate", "logits", "tokenize", "score", "fetch", "inspect", "verify",
                "convert", "parity", "info", "Exit codes:")) {
            assertTrue(run.out().contains(expected), run.out());
        }
        assertEquals("", run.err());
    }

    @Test
    void textIsThePromptAndWhatFollows() {
        CommandRun run = CommandRun.of("generate", "the cat", "--model", model, "--max-tokens", "8", "--seed", "3");
        assertEquals(0, run.code(), run.err());
        assertTrue(run.out().startsWith("the cat"), run.out());
        assertTrue(run.out().length() > "the cat".length() + 1, run.out());
        assertTrue(run.err().contains("seed: 3"), run.err());
    }

    @Test
    void theSameSeedGivesTheSameTextForAnyNumberOfThreads() {
        String[] texts = {"1", "3"};
        for (int i = 0; i < texts.length; i++) {
            texts[i] = CommandRun.of("generate", "the", "-m", model, "--seed", "11", "--threads", texts[i]).out();
        }
        assertEquals(texts[0], texts[1]);
    }

    @Test
    void generateWritesTheJsonThatOtherProgramsRead() {
        CommandRun run = CommandRun.of("generate", "the cat", "--model", model, "--max-tokens", "5", "--temperature",
                "0", "--json");
        assertEquals(0, run.code(), run.err());
        assertTrue(run.out().matches("\\{\"prompt_ids\":\\[257,[0-9,]+\\],\"ids\":\\[\\d+(,\\d+){4}\\],"
                + "\"text\":\".*\",\"finish_reason\":\"max_tokens\",\"timing\":\\{\"load_seconds\":[0-9.E-]+,"
                + "\"prefill_seconds\":[0-9.E-]+,\"prefill_tokens\":\\d+,\"decode_seconds\":[0-9.E-]+,"
                + "\"decode_tokens\":5,\"tokens_per_second\":[0-9.E-]+\\}\\}\n"), run.out());
    }

    @Test
    void aRandomSeedIsReportedAndRepeatsTheText() {
        CommandRun first = CommandRun.of("generate", "the", "-m", model, "--json", "-n", "12");
        Matcher seed = Pattern.compile("\"seed\":(\\d+)").matcher(first.out());
        assertTrue(seed.find(), first.out());
        CommandRun second = CommandRun.of("generate", "the", "-m", model, "--json", "-n", "12", "--seed",
                seed.group(1));
        assertEquals(idsOf(first.out()), idsOf(second.out()));
    }

    private static String idsOf(String json) {
        Matcher ids = Pattern.compile("\"ids\":\\[[0-9,]*]").matcher(json);
        assertTrue(ids.find(), json);
        return ids.group();
    }

    @Test
    void promptsComeFromFilesAndStandardInputWithoutTheirLastLineEnd() throws IOException {
        Path file = Files.writeString(folder.resolve("prompt.txt"), "the cat\n");
        String direct = CommandRun.of("generate", "the cat", "-m", model, "--temperature", "0").out();
        assertEquals(direct, CommandRun.of("generate", "--file", file.toString(), "-m", model, "--temperature", "0")
                .out());
        assertEquals(direct, CommandRun.withInput("the cat\n", Map.of(), "generate", "-", "-m", model,
                "--temperature", "0").out());
    }

    @Test
    void aStopStringEndsTheTextBeforeIt() {
        String whole = CommandRun.of("generate", "the", "-m", model, "--temperature", "0", "-n", "20").out().strip();
        String stop = whole.substring(whole.length() - 4, whole.length() - 2);
        CommandRun run = CommandRun.of("generate", "the", "-m", model, "--temperature", "0", "-n", "20", "--stop", stop,
                "--json");
        assertTrue(run.out().contains("\"finish_reason\":\"stop\""), run.out());
        String plain = CommandRun.of("generate", "the", "-m", model, "--temperature", "0", "-n", "20", "--stop", stop)
                .out();
        assertEquals(whole.substring(0, whole.indexOf(stop, "the".length())), plain.substring(0, plain.length() - 1));
    }

    @Test
    void aModelWithoutTokenizerTakesAndGivesIds() {
        CommandRun run = CommandRun.of("generate", "--ids", "1,2,3", "-m", idsOnly, "--temperature", "0", "-n", "4");
        assertEquals(0, run.code(), run.err());
        assertTrue(run.out().matches("1 2 3( \\d+){4}\n"), run.out());
        CommandRun json = CommandRun.of("generate", "--ids", "1 2 3", "-m", idsOnly, "-n", "4", "--json");
        assertTrue(json.out().contains("\"text\":null"), json.out());
        CommandRun text = CommandRun.of("generate", "the", "-m", idsOnly);
        assertEquals(1, text.code());
        assertTrue(text.err().contains("--ids"), text.err());
    }

    @Test
    void logitsAreThoseOfTheSession() {
        int[] ids = {1, 2, 3, 4, 5};
        Path file = folder.resolve("logits.safetensors");
        float[] expected;
        try (Model opened = Model.open(Path.of(model)); Session session = opened.newSession()) {
            session.append(ids);
            expected = session.logits();
        }
        for (boolean all : new boolean[] {false, true}) {
            String[] args = {"logits", "--ids", "1,2,3,4,5", "-m", model, "-o", file.toString(), "--json",
                all ? "--all" : "--verbose"};
            CommandRun run = CommandRun.of(args);
            assertEquals(0, run.code(), run.err());
            int rows = all ? 5 : 1;
            assertTrue(run.out().contains("\"logits\":[" + rows + ",260],\"input_ids\":[1,2,3,4,5]"), run.out());
            try (Checkpoint written = Checkpoint.open(file); Arena arena = Arena.ofConfined()) {
                TensorInfo logits = written.tensor("logits").orElseThrow();
                assertEquals("[" + rows + ", 260]", logits.shape().toString());
                MemorySegment last = arena.allocate(4 * 260, 4);
                written.readF32(logits, (rows - 1) * 260L, last);
                assertArrayEquals(expected, last.toArray(ValueLayout.JAVA_FLOAT), 1e-4f);
                MemorySegment inputs = arena.allocate(8 * 5, 8);
                written.readBytes(written.tensor("input_ids").orElseThrow(), 0, inputs);
                assertArrayEquals(new long[] {1, 2, 3, 4, 5}, inputs.toArray(ValueLayout.JAVA_LONG));
            }
        }
    }

    @Test
    void logProbabilitiesAreThoseOfTheSession() {
        Path file = folder.resolve("logprobs.safetensors");
        double[][] expected = new double[3][];
        try (Model opened = Model.open(Path.of(model)); Session session = opened.newSession()) {
            session.append(new int[] {1, 2, 3},
                    (LogitsVisitor) (position, logits) -> expected[position] = Distribution.of(logits).logprobs());
        }
        CommandRun run = CommandRun.of("logits", "--ids", "1,2,3", "--all", "--logprobs", "-m", model, "-o",
                file.toString(), "--json");
        assertEquals(0, run.code(), run.err());
        assertTrue(run.out().contains("\"logprobs\":[3,260]"), run.out());
        try (Checkpoint written = Checkpoint.open(file); Arena arena = Arena.ofConfined()) {
            MemorySegment found = arena.allocate(4 * 3 * 260, 4);
            written.readF32(written.tensor("logprobs").orElseThrow(), 0, found);
            for (int i = 0; i < 3 * 260; i++) {
                assertEquals((float) expected[i / 260][i % 260], found.getAtIndex(ValueLayout.JAVA_FLOAT, i), 1e-6f);
            }
        }
    }

    @Test
    void textBecomesIdsAndIdsBecomeText() {
        CommandRun ids = CommandRun.of("tokenize", "the the é", "-m", model);
        assertEquals("257 258 32 195 169\n", ids.out());
        assertEquals("the the é\n", CommandRun.of("tokenize", "--decode", "257,258,32,195,169", "-m", model).out());
        assertEquals("{\"ids\":[257,258],\"tokens\":[\"the\",\"Ġthe\"]}\n",
                CommandRun.of("tokenize", "the the", "-m", model, "--json").out());
    }

    @Test
    void specialTokensAreTextUnlessAskedFor() {
        assertEquals("259\n", CommandRun.of("tokenize", "<|endoftext|>", "--special", "-m", model).out());
        assertEquals(13, CommandRun.of("tokenize", "<|endoftext|>", "-m", model).out().split(" ").length);
    }

    @Test
    void scoresAreMeansOfTheLogProbabilities() {
        CommandRun run = CommandRun.of("score", "--ids", "1,2,3,4", "-m", model, "--json");
        assertEquals(0, run.code(), run.err());
        Matcher json = Pattern.compile("\\{\"tokens\":4,\"nll\":(.*),\"perplexity\":(.*),"
                + "\"guide_perplexity\":(.*),\"token_logprobs\":\\[(.*)]}\n").matcher(run.out());
        assertTrue(json.matches(), run.out());
        double sum = 0;
        String[] logprobs = json.group(4).split(",");
        for (String logprob : logprobs) {
            sum += Double.parseDouble(logprob);
        }
        assertEquals(3, logprobs.length);
        assertEquals(-sum / 3, Double.parseDouble(json.group(1)), 1e-9);
        assertEquals(Math.exp(-sum / 3), Double.parseDouble(json.group(2)), 1e-6);
        assertEquals(Math.exp(-sum / 3), Double.parseDouble(json.group(3)), 1e-6);
    }

    @Test
    void aTextLongerThanTheContextIsScoredInWindows() throws IOException {
        Path file = Files.writeString(folder.resolve("long.txt"), "abcdefg ".repeat(20));
        CommandRun run = CommandRun.of("score", "--file", file.toString(), "-m", model, "--json");
        assertEquals(0, run.code(), run.err());
        assertTrue(run.out().startsWith("{\"tokens\":160,"), run.out());
        assertEquals(159, run.out().replaceAll(".*\\[", "").split(",").length);
        assertTrue(run.err().contains("windows of 64 that move by 32"), run.err());
        try (Model opened = Model.open(Path.of(model))) {
            double perplexity = opened.score("abcdefg ".repeat(20)).guidePerplexity();
            assertTrue(run.out().contains("\"guide_perplexity\":" + perplexity + ","), run.out());
        }
    }

    @Test
    void inspectShowsTensorsParametersAndConfiguration() {
        CommandRun text = CommandRun.of("inspect", model, "--headers");
        assertEquals(0, text.code(), text.err());
        assertTrue(text.out().matches("(?s).*\nh\\.1\\.mlp\\.c_proj\\.weight +F32 +\\[512, 128]\n.*"), text.out());
        assertTrue(text.out().contains("n_layer                          2"), text.out());
        long parameters = (260 + 64) * 128 + 2 * (128 * 384 + 384 + 128 * 128 + 128 + 2 * 128 * 512 + 512 + 128
                + 4 * 128) + 2 * 128;
        assertTrue(text.out().contains(String.format(java.util.Locale.ROOT, "28 tensors (28 F32), %,d parameters",
                parameters)), text.out());
        CommandRun json = CommandRun.of("inspect", model + "/model.safetensors", "--json", "--headers");
        assertTrue(json.out().contains("\"parameters\":" + parameters + ","), json.out());
        assertTrue(json.out().contains("{\"name\":\"wte.weight\",\"dtype\":\"F32\",\"shape\":[260,128],"
                + "\"bytes\":133120,\"file\":\"model.safetensors\",\"statistics\":null}"), json.out());
    }

    @Test
    void inspectShowsWhatTheNumbersAreLikeAndTheMemoryTheyNeed() {
        CommandRun text = CommandRun.of("inspect", model);
        assertEquals(0, text.code(), text.err());
        // The tiny model's normalization weights are around 1, spread by 0.15.
        assertTrue(text.out().matches("(?s).*\nln_f\\.weight +F32 +\\[128] +0\\.\\d+ +1\\.\\d+ +(0\\.9|1\\.0)\\d+"
                + " +0\\.1\\d+ +0\n.*"), text.out());
        assertTrue(text.out().contains("memory for the parameters: f32 1.8 MB, f16 0.9 MB, bf16 0.9 MB, int8 0.4 MB, q4"
                + " 0.2 MB"), text.out());
        CommandRun json = CommandRun.of("inspect", model, "--json");
        assertTrue(json.out().contains("\"memory_bytes\":{\"f32\":1"), json.out());
        assertTrue(json.out().contains("\"statistics\":{\"nan\":0,\"infinite\":0,\"min\":-0."), json.out());
    }

    @Test
    void infoNamesJavaAndTheLibraries() {
        CommandRun text = CommandRun.of("info");
        assertEquals(0, text.code(), text.err());
        for (String name : List.of("java", "processor", "threads", "OpenBLAS", "libisthmus", "kernels", "CUDA")) {
            assertTrue(text.out().lines().anyMatch(line -> line.startsWith(name)), text.out());
        }
        if (!NativeLibraries.isAvailable(NativeLibrary.CUDA)) {
            assertTrue(text.out().matches("(?s).*\nCUDA +not used: cuda: expected CUDA driver, found none.*install NVIDIA's"
                    + " driver.*"), text.out());
        }
        CommandRun json = CommandRun.of("info", "--json");
        assertTrue(json.out().contains("\"usable\":"), json.out());
        assertTrue(json.out().contains("\"libraries\":{\"openblas\":{\"available\":"), json.out());
    }

    @Test
    void aReaderThatLeavesEndsTheCommandQuietly() {
        CommandRun whole = CommandRun.of("generate", "the", "-m", model);
        assertEquals(0, whole.code());
        java.io.OutputStream gone = new java.io.OutputStream() {
            @Override
            public void write(int b) throws IOException {
                throw new IOException("Broken pipe");
            }
        };
        java.io.ByteArrayOutputStream err = new java.io.ByteArrayOutputStream();
        int code = Main.run(new Console(java.io.InputStream.nullInputStream(), gone, err, false, Map.of()), "generate",
                "the", "-m", model);
        assertEquals(0, code, err.toString());
        assertFalse(err.toString().contains("error"), err.toString());
    }

    @Test
    void aFullDiskBehindStandardOutputIsAnError() {
        java.io.OutputStream full = new java.io.OutputStream() {
            @Override
            public void write(int b) throws IOException {
                throw new IOException("No space left on device");
            }
        };
        java.io.ByteArrayOutputStream err = new java.io.ByteArrayOutputStream();
        int code = Main.run(new Console(java.io.InputStream.nullInputStream(), full, err, false, Map.of()), "tokenize",
                "the", "-m", model);
        assertEquals(1, code);
        assertTrue(err.toString().contains("No space left on device"), err.toString());
    }
}
