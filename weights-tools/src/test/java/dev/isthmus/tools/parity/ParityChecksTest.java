package dev.isthmus.tools.parity;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.api.BackendChoice;
import dev.isthmus.engine.api.BeamOptions;
import dev.isthmus.engine.api.Completion;
import dev.isthmus.engine.api.ForwardObserver;
import dev.isthmus.engine.api.GenerationOptions;
import dev.isthmus.engine.api.ModelOptions;
import dev.isthmus.engine.api.Session;
import dev.isthmus.engine.api.Token;
import dev.isthmus.engine.checkpoint.Checkpoint;
import dev.isthmus.engine.config.Activation;
import dev.isthmus.engine.weights.TensorInfo;
import dev.isthmus.tools.TinyModel;
import dev.isthmus.tools.io.Digests;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Each kind of check passes on numbers that the reference backend computed, and fails on the same numbers with one of
 * them changed. The model under check is a small one of random weights on the cpu backend.
 */
class ParityChecksTest {

    private static final int[] IDS = {3, 140, 65, 200, 7, 91};

    @TempDir
    static Path folder;

    private static Subject subject;
    private static Subject reference;
    private static float[][] logits;
    private static double[][][] states;
    private static double[][][][] attention;

    @BeforeAll
    static void compute() throws IOException {
        TinyModel.write(folder);
        subject = Subject.open(folder, ModelOptions.DEFAULT);
        reference = Subject.open(folder, ModelOptions.DEFAULT.withBackend(BackendChoice.REFERENCE));
        logits = new float[IDS.length][];
        reference.logits(IDS, (position, row) -> logits[position] = row.clone());
        states = new double[TinyModel.LAYERS + 2][IDS.length][];
        attention = new double[TinyModel.LAYERS][TinyModel.HEADS][IDS.length][];
        reference.observe(IDS, new ForwardObserver() {
            @Override
            public void hiddenState(int boundary, int position, double[] values) {
                states[boundary][position] = values;
            }

            @Override
            public boolean wantsAttention(int layer, int head) {
                return true;
            }

            @Override
            public void attention(int layer, int head, int position, double[] probabilities) {
                attention[layer][head][position] = probabilities;
            }
        });
    }

    @AfterAll
    static void close() {
        subject.close();
        reference.close();
    }

    /** An entry with {@code %s} where a number may be changed: it passes with the first and fails with the second. */
    private static void passesAndFails(String kind, String id, String expected, Object right, Object wrong)
            throws IOException {
        assertEquals(Outcome.Status.PASSED, run(kind, id, expected, right));
        assertEquals(Outcome.Status.FAILED, run(kind, id, expected, wrong));
    }

    private static Outcome.Status run(String kind, String id, String expected, Object value) throws IOException {
        String json = String.format(Locale.ROOT, """
                {"id": "%s", "kind": "%s", "model": "gpt2", "input_text": "the the", "input_ids": %s,
                 "special_token_mode": "ordinary", "confidence": "high", "expected": %s}""", id, kind,
                Arrays.toString(IDS), expected.replace("%s", value.toString()));
        Check check = switch (Plan.of(PublishedEntriesTest.entry(json))) {
            case Plan.Run plan -> plan.check();
            case Plan.RunWithGelu plan -> plan.check();
            case Plan.Skip skip -> throw new AssertionError(skip.reason());
        };
        return Parity.outcome(subject, check).status();
    }

    private static String first(float[] values, int from, int count) {
        return IntStream.range(from, from + count).mapToObj(i -> Float.toString(values[i]))
                .collect(Collectors.joining(", "));
    }

    private static double logprob(int position, int id) {
        return LogSoftmax.of(logits[position], id);
    }

    @Test
    void aWholeRowOfLogits() throws IOException {
        float[] row = logits[5];
        double sum = LogitsChecks.sum(row);
        String expected = "{\"position\": 5, \"logits\": {\"17\": %l}, \"sum_all_50257_logits\": %t,"
                + " \"sumsq_all_50257_logits\": " + LogitsChecks.sumOfSquares(row) + ", \"argmax\": "
                + LogSoftmax.argmax(row) + "}";
        passesAndFails("logits", "x", expected.replace("%l", row[17] + "").replace("%t", "%s"), sum, sum + 0.5);
        passesAndFails("logits", "x", expected.replace("%t", sum + "").replace("%l", "%s"), row[17], row[17] + 0.01);
    }

    @Test
    void logitsOfTheFirstPositionAndTheMeanOfAll() throws IOException {
        double mean = Arrays.stream(logits).mapToDouble(LogitsChecks::sum).sum() / (IDS.length * logits[0].length);
        passesAndFails("logits", "x", "{\"mean_all_201028_logits\": " + mean + ", \"mean_tolerance\": 1e-4,"
                + " \"logits_pos0\": {\"9\": %s}}", logits[0][9], logits[0][9] + 0.002);
        passesAndFails("logits", "x", "{\"mean_all_201028_logits\": %s, \"mean_tolerance\": 1e-4,"
                + " \"logits_pos0\": {\"9\": " + logits[0][9] + "}}", mean, mean + 0.001);
    }

    @Test
    void firstLogitsOfSomePositions() throws IOException {
        String argmax = Arrays.stream(logits).map(row -> Integer.toString(LogSoftmax.argmax(row)))
                .collect(Collectors.joining(", "));
        String expected = "{\"logits_pos0_vocab0to4\": [" + first(logits[0], 0, 5) + "],"
                + " \"logits_pos2_vocab0to4\": [%s], \"argmax_per_position\": [" + argmax + "]}";
        passesAndFails("logits", "x", expected, first(logits[2], 0, 5), first(logits[3], 0, 5));
        passesAndFails("logits", "x", "{\"logits_pos0_first5\": [%s]}", first(logits[0], 0, 5),
                first(logits[1], 0, 5));
    }

    @Test
    void aSliceOfLogits() throws IOException {
        passesAndFails("logits", "x", "{\"slice\": \"\", \"values\": [[" + first(logits[1], 1, 3) + "], [%s], ["
                + first(logits[3], 1, 3) + "]]}", first(logits[2], 1, 3), first(logits[2], 2, 3));
    }

    @Test
    void theLikeliestTokens() throws IOException {
        float[] last = logits[5];
        int argmax = LogSoftmax.argmax(last);
        passesAndFails("logits", "x", "{\"argmax\": " + argmax + ", \"logit_at_argmax\": %s}", last[argmax],
                last[argmax] + 0.01);
        passesAndFails("logits", "x", "{\"argmax\": %s, \"logit_at_argmax\": " + last[argmax] + "}", argmax,
                argmax + 1);
        int[] top = LogitsChecks.top(last, 5);
        String values = Arrays.stream(top).mapToObj(id -> Float.toString(last[id])).collect(Collectors.joining(", "));
        int[] swapped = top.clone();
        swapped[3] = top[4];
        swapped[4] = top[3];
        passesAndFails("logits", "x", "{\"position\": 5, \"top5_ids\": %s, \"top5_logits\": [" + values + "]}",
                Arrays.toString(top), Arrays.toString(swapped));
    }

    @Test
    void theStatesBetweenTheLayers() throws IOException {
        // The published boundaries are of one position; here all positions would be compared with it.
        int[] one = {IDS[0]};
        List<String> boundaries = new ArrayList<>();
        reference.observe(one, new ForwardObserver() {
            @Override
            public void hiddenState(int boundary, int position, double[] values) {
                boundaries.add("{\"name\": \"b\", \"element0\": " + values[0] + ", \"sum\": "
                        + Arrays.stream(values).sum() + ", \"sumsq\": " + Arrays.stream(values).map(v -> v * v).sum()
                        + "}");
            }
        });
        for (boolean right : new boolean[] {true, false}) {
            List<String> changed = new ArrayList<>(boundaries);
            if (!right) {
                changed.set(2, boundaries.get(1));
            }
            PublishedEntry entry = PublishedEntriesTest.entry("""
                    {"id": "habu-f64-hello-boundaries", "kind": "hidden", "model": "gpt2", "confidence": "high",
                     "input_ids": [%d], "expected": {"boundaries": %s}}""".formatted(one[0], changed));
            assertEquals(right ? Outcome.Status.PASSED : Outcome.Status.FAILED,
                    HiddenChecks.of(entry).run(subject).status());
        }
    }

    @Test
    void theStateAfterTheFinalNorm() throws IOException {
        double[][] last = states[TinyModel.LAYERS + 1];
        String rows = IntStream.of(1, 2, 3).mapToObj(t -> Arrays.toString(Arrays.copyOfRange(last[t], 1, 4)))
                .collect(Collectors.joining(", "));
        String wrong = IntStream.of(1, 3, 2).mapToObj(t -> Arrays.toString(Arrays.copyOfRange(last[t], 1, 4)))
                .collect(Collectors.joining(", "));
        passesAndFails("hidden", "bumblebee-base-hidden", "{\"values\": [%s]}", rows, wrong);
        passesAndFails("hidden", "kerashub-quick-brown-fox", "{\"values\": %s}",
                Arrays.toString(Arrays.copyOf(last[0], 5)), Arrays.toString(Arrays.copyOf(last[1], 5)));
    }

    @Test
    void aSumOfLogProbabilities() throws IOException {
        double sum = IntStream.range(2, 5).mapToDouble(t -> logprob(t, IDS[t + 1])).sum();
        String expected = "{\"context_ids\": [3, 140, 65], \"sum_logprob_of_continuation\": %s}";
        passesAndFails("logprob", "x", expected, sum, sum + logprob(1, IDS[2]));
        passesAndFails("logprob", "x", expected, sum, sum + 0.01);
    }

    @Test
    void logProbabilitiesInRollingWindows() throws IOException {
        double[] plain = IntStream.range(0, 5).mapToDouble(t -> logprob(t, IDS[t + 1])).toArray();
        String expected = "{\"per_token_logprob\": %s, \"sum\": " + Arrays.stream(plain).sum() + "}";
        double[] wrong = plain.clone();
        wrong[3] += 0.001;
        passesAndFails("logprob", "x", expected, Arrays.toString(plain), Arrays.toString(wrong));
        // Windows of three: tokens 1–3 after ids 0–2, then tokens 4 and 5 after ids 2–4.
        double[] windows = plain.clone();
        reference.logits(new int[] {IDS[2], IDS[3], IDS[4]}, (position, row) -> {
            if (position > 0) {
                windows[2 + position] = LogSoftmax.of(row, IDS[3 + position]);
            }
        });
        passesAndFails("logprob", "x", "{\"max_length\": 3, \"per_token_logprob\": %s, \"sum\": "
                + Arrays.stream(windows).sum() + "}", Arrays.toString(windows), Arrays.toString(plain));
    }

    @Test
    void whetherAContinuationIsTheLikeliest() throws IOException {
        boolean greedy = LogSoftmax.argmax(logits[4]) == IDS[5];
        passesAndFails("logprob", "x", "{\"continuation_ids\": [91], \"is_greedy\": %s}", greedy, !greedy);
        String words = "{\"continuation_ids\": [91], \"ordering\": \"loglik(\\\"%s\\\") > loglik(\\\"%S\\\")\"}";
        int likely = LogSoftmax.argmax(Arrays.copyOfRange(logits[4], 'a', 'f')) + 'a';
        int other = likely == 'a' ? 'b' : 'a';
        passesAndFails("logprob", "x", words.replace("%S", Character.toString(other)), Character.toString(likely),
                Character.toString(other));
    }

    private static int[] continuation(int count) {
        List<Integer> ids = new ArrayList<>();
        try (Session session = reference.model().newSession()) {
            session.append(IDS);
            for (Token token : session.generate(GenerationOptions.builder().greedy().maxTokens(count).build())) {
                ids.add(token.id());
            }
        }
        return ids.stream().mapToInt(Integer::intValue).toArray();
    }

    private static int[] changed(int[] ids, int at) {
        int[] changed = ids.clone();
        changed[at] = (changed[at] + 1) % 256;
        return changed;
    }

    @Test
    void continuations() throws IOException {
        int[] ids = continuation(12);
        passesAndFails("greedy", "x", "{\"new_text\": \"\", \"new_ids\": %s}", Arrays.toString(ids),
                Arrays.toString(changed(ids, 11)));
    }

    @Test
    void continuationsUnderRules() throws IOException {
        int[] plain = continuation(12);
        int[] ruled;
        try (Session session = reference.model().newSession()) {
            session.append(IDS);
            GenerationOptions rules = GenerationOptions.builder().greedy().maxTokens(12).repetitionPenalty(1.5)
                    .noRepeatNgram(1).banned(List.of(List.of(plain[0]))).build();
            ruled = session.generate(rules).stream().mapToInt(Token::id).toArray();
        }
        passesAndFails("greedy", "x", "{\"new_text\": \"\", \"new_ids\": %s, \"repetition_penalty\": 1.5,"
                + " \"no_repeat_ngram_size\": 1, \"bad_word_ids\": [[" + plain[0] + "]]}", Arrays.toString(ruled),
                Arrays.toString(plain));
    }

    @Test
    void continuationsByBeams() throws IOException {
        List<Completion> found;
        List<Completion> without;
        try (Session session = reference.model().newSession()) {
            session.append(IDS);
            GenerationOptions options = GenerationOptions.builder().maxTokens(4).build();
            found = session.beamSearch(options, BeamOptions.of(3)).run();
            without = session.beamSearch(options.toBuilder().banned(List.of(List.of((int) ' '))).build(),
                    BeamOptions.of(3)).run();
        }
        String beams = "\"num_beams\": 3, \"max_length\": 10";
        String sequence = "{" + beams + ", \"sequence\": [3, 140, 65, 200, 7, 91, %s]}";
        passesAndFails("beam", "x", sequence, joined(found.get(0)), joined(found.get(1)));
        passesAndFails("beam", "x", "{" + beams + ", \"texts\": [" + text(found.get(0)) + ", %s]}", text(found.get(1)),
                text(found.get(2)));
        String banned = "{" + beams + ", \"text\": %t, \"with_bad_words [\\\" \\\"]\": {\"text\": %b}}";
        passesAndFails("beam", "x", banned.replace("%b", text(without.get(0))).replace("%t", "%s"), text(found.get(0)),
                text(found.get(1)));
        passesAndFails("beam", "x", banned.replace("%t", text(found.get(0))).replace("%b", "%s"), text(without.get(0)),
                text(without.get(1)));
    }

    private static String joined(Completion completion) {
        return completion.ids().stream().map(String::valueOf).collect(Collectors.joining(", "));
    }

    /** A text, prompt included, as JSON. */
    private static String text(Completion completion) {
        String whole = subject.model().tokenizer().orElseThrow().decode(IDS) + completion.text();
        return whole.chars().mapToObj(c -> String.format(Locale.ROOT, "\\u%04x", c))
                .collect(Collectors.joining("", "\"", "\""));
    }

    @Test
    void aPathAndItsLogProbabilities() throws IOException {
        int[] ids = continuation(3);
        double logprob = logprob(5, ids[0]);
        String expected = "{\"new_ids\": " + Arrays.toString(ids) + ", \"logprob\": [%s], \"probability_percent\": ["
                + 100 * Math.exp(logprob) + "]}";
        passesAndFails("logprob", "x", expected, logprob, logprob + 0.005);
        int[] sequence = IntStream.concat(Arrays.stream(IDS), IntStream.of(ids[0])).toArray();
        passesAndFails("logprob", "x", "{\"sequence\": " + Arrays.toString(sequence)
                + ", \"first_three_new_logprobs\": [%s]}", logprob, logprob + 0.001);
    }

    @Test
    void losses() throws IOException {
        double loss = -IntStream.range(0, 5).mapToDouble(t -> logprob(t, IDS[t + 1])).average().orElseThrow();
        passesAndFails("loss", "x", "{\"mean_cross_entropy\": %s, \"n_targets\": 5}", loss, loss + 1e-3);
        passesAndFails("loss", "x", "{\"B\": 1, \"T\": 5, \"loss\": %s}", loss, loss + 1e-3);
    }

    @Test
    void tokens() throws IOException {
        passesAndFails("tokenizer", "x", "%s", "[257, 258]", "[257, 32, 257]");
        passesAndFails("pretokenizer", "x", "{\"chunk_utf8_byte_lengths\": %s}", "[3, 4]", "[4, 3]");
    }

    @Test
    void attentionAndLogitsOfTheExplainer() throws IOException {
        // Scores are known up to a constant in each row; the logarithms of the probabilities are such scores.
        String softmax = rows(0, false);
        String raw = rows(0, true);
        float[] last = logits[5];
        int[] top = LogitsChecks.top(last, 10);
        String topTen = Arrays.stream(top).mapToObj(id -> "[" + id + ", " + last[id] + ", \"\"]")
                .collect(Collectors.joining(", ", "[", "]"));
        String expected = "{\"first8\": [" + first(last, 0, 8) + "], \"top10\": " + topTen + ", \"argmax\": " + top[0]
                + ", \"logsumexp\": %l, \"sum\": " + LogitsChecks.sum(last) + ", \"sumsq\": "
                + LogitsChecks.sumOfSquares(last) + ", \"block0_head0_softmax\": %p, \"block0_head0_qk_raw\": %r}";
        double lse = LogSoftmax.logSumExp(last);
        passesAndFails("logits", "explainer-x", expected.replace("%p", softmax).replace("%r", raw).replace("%l", "%s"),
                lse, lse + 0.1);
        passesAndFails("logits", "explainer-x", expected.replace("%p", softmax).replace("%l", lse + "")
                .replace("%r", "%s"), raw, rows(1, true));
        passesAndFails("logits", "explainer-x", expected.replace("%r", raw).replace("%l", lse + "")
                .replace("%p", "%s"), softmax, rows(1, false));
    }

    private static String rows(int head, boolean raw) {
        return Arrays.stream(attention[0][head]).map(row -> {
            double[] padded = Arrays.copyOf(Arrays.stream(row).map(p -> raw ? 8 * Math.log(p) : p).toArray(),
                    IDS.length);
            return Arrays.toString(padded);
        }).collect(Collectors.joining(", ", "[", "]"));
    }

    @Test
    void theBytesOfEachTensor() throws IOException {
        StringBuilder tensors = new StringBuilder();
        try (Checkpoint checkpoint = Checkpoint.open(folder)) {
            for (TensorInfo tensor : checkpoint.tensors()) {
                tensors.append(tensors.isEmpty() ? "" : ", ").append("""
                        "%s": {"shape": %s, "file_offset": %d, "sha256_f32_le_row_major": "%s"}""".formatted(
                        tensor.name(), tensor.shape(), tensor.begin(), Digests.sha256(checkpoint, tensor)));
            }
        }
        long bytes = Files.size(folder.resolve("model.safetensors"));
        String expected = "{\"data_start\": 0, \"data_bytes\": " + bytes + ", \"masks\": {\"sha256\": \"\"},"
                + " \"tensors\": {%s}}";
        String right = tensors.toString();
        passesAndFails("identity", "identity-tensors", expected, right, right.replaceFirst("\"[0-9a-f]{64}\"",
                "\"" + "0".repeat(64) + "\""));
        passesAndFails("identity", "identity-tensors", expected, right, right.replaceFirst("file_offset\": ",
                "file_offset\": 1"));
        passesAndFails("identity", "identity-tensors", expected, right, right.replace("\"wte.weight\"", "\"wxe\""));
    }

    @Test
    void theBytesOfEachFile() throws IOException {
        long parameters;
        try (Checkpoint checkpoint = Checkpoint.open(folder)) {
            parameters = ParameterCount.of(checkpoint);
        }
        String expected = "{\"parameter_count\": %n, \"files\": {\"merges.txt\": {\"bytes\": "
                + Files.size(folder.resolve("merges.txt")) + ", \"sha256\": \"%h\"}, \"tf_model.h5\": {\"sha256\": \"\"}}}";
        String hash = Digests.sha256(folder.resolve("merges.txt"));
        passesAndFails("identity", "identity-gpt2-files", expected.replace("%n", parameters + "").replace("%h", "%s"),
                hash, hash.replace('0', '1').replace('a', 'b'));
        passesAndFails("identity", "identity-gpt2-files", expected.replace("%h", hash).replace("%n", "%s"), parameters,
                parameters + 1);
    }

    @Test
    void theOverlayHasTheSameWeightsAndAnotherActivation() {
        Path shown;
        try (GeluOverlay overlay = GeluOverlay.of(folder);
                Subject changed = Subject.open(overlay.directory(), ModelOptions.DEFAULT)) {
            shown = overlay.directory();
            assertEquals(Activation.GELU_ERF, changed.model().config().activation());
            assertEquals(TinyModel.LAYERS, changed.model().config().layers());
            changed.observe(IDS, new ForwardObserver() {
                @Override
                public void hiddenState(int boundary, int position, double[] values) {
                    if (boundary == 0) {
                        assertArrayEquals(states[0][position], values, 1e-5);
                    }
                }
            });
        }
        assertFalse(Files.exists(shown));
        assertTrue(Files.exists(folder.resolve("model.safetensors")));
    }

    @Test
    void aCheckThatTheEngineRefusesHasFailed() throws IOException {
        assertEquals(Outcome.Status.FAILED, Parity.outcome(subject,
                GreedyChecks.of(PublishedEntriesTest.entry("""
                        {"id": "x", "kind": "greedy", "model": "gpt2", "input_ids": [1],
                         "expected": {"new_text": "", "new_ids": %s}}""".formatted(Arrays.toString(new int[65])))))
                .status());
    }
}
