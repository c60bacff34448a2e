package dev.isthmus.engine.parity;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.api.BackendChoice;
import dev.isthmus.engine.api.Capture;
import dev.isthmus.engine.api.Distribution;
import dev.isthmus.engine.api.Model;
import dev.isthmus.engine.api.ModelOptions;
import dev.isthmus.engine.api.Neighbor;
import dev.isthmus.engine.api.Pooling;
import dev.isthmus.engine.api.Score;
import dev.isthmus.engine.api.Session;
import dev.isthmus.engine.api.TokenLogprob;
import dev.isthmus.engine.config.Gpt2Config;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** What can be seen inside a model, against Hugging Face transformers in float64; FORMAT.md tells of the fixtures. */
@ParameterizedClass(name = "{0}, {1}")
@MethodSource("fixtures")
class InsideParityTest {

    /** As in {@link ParityTest}: float64 against float64. */
    private static final double REFERENCE_BOUND = 1e-9;

    /** As in {@link ParityTest}: how many times less exact than transformers in float32 a small model may be. */
    private static final double SMALL_MODEL_FACTOR = 4;

    /** As in {@link ParityTest}: relative to the largest magnitude. */
    private static final double FLOAT32_STATE_BOUND = 1e-5;

    /** As in {@link ParityTest}. */
    private static final double FLOAT32_ATTENTION_BOUND = 1e-4;

    /** Vectors and their cosines are given in float32. */
    private static final double VECTOR_BOUND = 1e-7;

    @Parameter(0)
    String name;

    @Parameter(1)
    BackendChoice backend;

    private Json expected;
    private OpenedCase opened;
    private Model model;
    private int[] prompt;

    static Stream<Arguments> fixtures() {
        return Stream.of("tied", "untied-bf16").flatMap(name ->
                Stream.of(BackendChoice.REFERENCE, BackendChoice.CPU).map(backend -> Arguments.of(name, backend)));
    }

    @BeforeEach
    void open() throws IOException {
        try (var fixture = InsideParityTest.class.getResourceAsStream("/inside/" + name + ".json")) {
            expected = Json.read(fixture.readAllBytes());
        }
        opened = new OpenedCase(ParityCase.checkpoint(expected));
        model = Model.open(opened.directory(), ModelOptions.DEFAULT.withBackend(backend).withThreads(2));
        prompt = expected.integers("prompt");
    }

    @AfterEach
    void close() {
        model.close();
        opened.close();
    }

    private boolean exact() {
        return backend == BackendChoice.REFERENCE;
    }

    /** Logits are handed over in float32, so that the reference kernels' are rounded too. */
    private double logprobBound() {
        return SMALL_MODEL_FACTOR * expected.number("float32Error");
    }

    @Test
    void perplexityAndTokenScoresAreThoseOfTheSlidingWindowGuide() {
        for (Json score : expected.objects("scores")) {
            Score found = model.score(expected.integers("text"), score.integer("stride"));
            String where = "stride " + score.integer("stride");
            assertArrayEquals(score.numbers("tokenLogprobs"), found.tokenLogprobs(), logprobBound(), where);
            double wanted = score.number("guidePerplexity");
            assertEquals(wanted, found.guidePerplexity(), wanted * logprobBound(), where);
            assertEquals(-Arrays.stream(score.numbers("tokenLogprobs")).average().orElseThrow(), found.nll(),
                    logprobBound(), where);
        }
    }

    @Test
    void hiddenStatesAreThoseOfTransformersAtEveryPositionAndLayer() {
        Capture capture = Capture.builder().hiddenStates().build();
        read(capture);
        int layers = model.config().layers();
        double[][] wanted = expected.table("hiddenStates");
        assertEquals(layers + 1, wanted.length);
        for (int i = 0; i <= layers; i++) {
            assertStates(wanted[i], capture.hiddenStates(i == layers ? layers + 1 : i), "hidden_states[" + i + "]");
        }
    }

    private void assertStates(double[] wanted, double[][] found, String what) {
        double largest = Arrays.stream(wanted).map(Math::abs).max().orElseThrow();
        assertArrayEquals(wanted, Arrays.stream(found).flatMapToDouble(Arrays::stream).toArray(),
                largest * (exact() ? REFERENCE_BOUND : FLOAT32_STATE_BOUND), what);
    }

    @Test
    void attentionProbabilitiesAreThoseOfTransformersInEveryHead() {
        Gpt2Config config = model.config();
        Capture.Builder wanted = Capture.builder();
        for (int layer = 0; layer < config.layers(); layer++) {
            wanted.attention(layer);
        }
        Capture capture = wanted.build();
        read(capture);
        double[][] layers = expected.table("attention");
        int t = prompt.length;
        for (int layer = 0; layer < config.layers(); layer++) {
            for (int head = 0; head < config.heads(); head++) {
                double[][] found = capture.attention(layer, head);
                for (int position = 0; position < t; position++) {
                    int row = (head * t + position) * t;
                    assertArrayEquals(Arrays.copyOfRange(layers[layer], row, row + position + 1), found[position],
                            exact() ? REFERENCE_BOUND : FLOAT32_ATTENTION_BOUND,
                            "layer " + layer + ", head " + head + ", position " + position);
                }
            }
        }
    }

    private void read(Capture capture) {
        try (Session session = model.newSession()) {
            // In two parts, the second of which finds keys in the cache.
            session.append(Arrays.copyOf(prompt, 4), capture);
            session.append(Arrays.copyOfRange(prompt, 4, prompt.length), capture);
        }
    }

    @Test
    void theNextTokensDistributionIsThatOfTransformers() {
        Json wanted = expected.object("next");
        try (Session session = model.newSession()) {
            session.append(prompt);
            Distribution next = session.next();
            assertArrayEquals(wanted.numbers("logprobs"), next.logprobs(), logprobBound());
            assertEquals(wanted.number("entropy"), next.entropy(), logprobBound());
            int[] top = wanted.integers("top");
            assertArrayEquals(top, next.top(top.length).stream().mapToInt(TokenLogprob::id).toArray());
            for (int rank = 0; rank < top.length; rank++) {
                assertEquals(rank, next.rank(top[rank]));
                assertEquals(next.logprobs()[top[rank]], next.logprob(top[rank]));
                assertEquals(Math.exp(next.logprob(top[rank])), next.probability(top[rank]));
            }
        }
    }

    @Test
    void aTextsVectorIsTheMeanOrTheLastOfTheFinalStates() {
        assertVector(expected.numbers("mean"), model.embed(prompt, Pooling.MEAN));
        assertVector(expected.numbers("last"), model.embed(prompt, Pooling.LAST));
    }

    private void assertVector(double[] wanted, float[] found) {
        double largest = Arrays.stream(wanted).map(Math::abs).max().orElseThrow();
        assertArrayEquals(wanted, doubles(found), largest * (exact() ? VECTOR_BOUND : FLOAT32_STATE_BOUND));
    }

    @Test
    void embeddingsTheirNeighborsAndAnalogiesAreThoseOfTransformers() {
        var embeddings = model.embeddings();
        assertArrayEquals(expected.numbers("embedding"), doubles(embeddings.vector(prompt[0])));
        assertNeighbors("nearest", embeddings.nearest(prompt[0], 5));
        assertNeighbors("nearestToMean", embeddings.nearest(floats(expected.numbers("mean")), 5));
        assertNeighbors("analogy", embeddings.analogy(prompt[0], prompt[1], prompt[2], 5));
        List<Neighbor> itself = embeddings.nearest(embeddings.vector(prompt[0]), 1);
        assertTrue(itself.getFirst().id() == prompt[0] && itself.getFirst().similarity() > 1 - 1e-12);
    }

    private void assertNeighbors(String what, List<Neighbor> found) {
        Json wanted = expected.object(what);
        assertArrayEquals(wanted.integers("ids"), found.stream().mapToInt(Neighbor::id).toArray(), what);
        assertArrayEquals(wanted.numbers("similarities"),
                found.stream().mapToDouble(Neighbor::similarity).toArray(), VECTOR_BOUND, what);
    }

    private static double[] doubles(float[] values) {
        double[] doubles = new double[values.length];
        Arrays.setAll(doubles, i -> values[i]);
        return doubles;
    }

    private static float[] floats(double[] values) {
        float[] floats = new float[values.length];
        for (int i = 0; i < values.length; i++) {
            floats[i] = (float) values[i];
        }
        return floats;
    }
}
