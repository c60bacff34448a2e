package dev.isthmus.engine.api;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.errors.InvalidInputException;
import dev.isthmus.engine.parity.Json;
import dev.isthmus.engine.sampling.LogitsRule;
import dev.isthmus.engine.sampling.TokenHistory;
import java.io.IOException;
import java.io.InputStream;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What options make of logits, against Hugging Face transformers; make_processor_fixture.py wrote what is expected. */
class GenerationOptionsTest {

    private static Json fixture() throws IOException {
        try (InputStream in = GenerationOptionsTest.class.getResourceAsStream("/sampling/processors.json")) {
            return Json.read(in.readAllBytes());
        }
    }

    private static GenerationOptions options(Json from, int maxTokens) {
        GenerationOptions.Builder builder = GenerationOptions.builder().temperature(1).maxTokens(maxTokens);
        for (String name : from.members().keySet()) {
            switch (name) {
                case "logitBias" -> {
                    Map<Integer, Double> biases = new HashMap<>();
                    Arrays.stream(from.table(name)).forEach(each -> biases.put((int) each[0], each[1]));
                    builder.logitBias(biases);
                }
                case "banned" -> builder.banned(Arrays.stream(from.table(name))
                        .map(ids -> Arrays.stream(ids).mapToObj(id -> (int) id).toList()).toList());
                case "repetitionPenalty" -> builder.repetitionPenalty(from.number(name));
                case "presencePenalty" -> builder.presencePenalty(from.number(name));
                case "frequencyPenalty" -> builder.frequencyPenalty(from.number(name));
                case "noRepeatNgram" -> builder.noRepeatNgram(from.integer(name));
                case "forcedFirst" -> builder.forcedFirst(from.integer(name));
                case "forcedLast" -> builder.forcedLast(from.integer(name));
                case "temperature" -> builder.temperature(from.number(name));
                case "topK" -> builder.topK(from.integer(name));
                case "topP" -> builder.topP(from.number(name));
                case "minP" -> builder.minP(from.number(name));
                case "typicalP" -> builder.typicalP(from.number(name));
                default -> throw new IllegalArgumentException("unknown option " + name);
            }
        }
        return builder.build();
    }

    private static float[] floats(double[] values) {
        float[] floats = new float[values.length];
        for (int i = 0; i < values.length; i++) {
            floats[i] = (float) values[i];
        }
        return floats;
    }

    @TestFactory
    Stream<DynamicTest> logitsAndProbabilitiesAreThoseOfTransformersGenerate() throws IOException {
        Json fixture = fixture();
        return fixture.objects("cases").stream().map(each -> DynamicTest.dynamicTest(each.object("options").toString(),
                () -> check(each, options(each.object("options"), fixture.integer("maxTokens")))));
    }

    private static void check(Json expected, GenerationOptions options) {
        int[] ids = expected.integers("ids");
        TokenHistory history = new TokenHistory(Arrays.copyOf(ids, ids.length + 3), ids.length,
                expected.integer("prompt"));
        float[] logits = floats(expected.numbers("logits"));
        float[] processed = logits.clone();
        for (LogitsRule rule : options.rules()) {
            rule.apply(history, processed);
        }
        assertArrayEquals(expected.integers("removed"),
                IntStream.range(0, processed.length).filter(id -> Float.isInfinite(processed[id])).toArray());
        for (int removed : expected.integers("removed")) {
            processed[removed] = 0;
        }
        assertArrayEquals(floats(expected.numbers("processed")), processed, 2e-6f);

        double[] probabilities = options.newSampler().probabilities(logits, history);
        int[] kept = expected.integers("kept");
        assertArrayEquals(kept, IntStream.range(0, probabilities.length).filter(id -> probabilities[id] > 0).toArray());
        // The rules work in float32 on both sides, one rounding of a logit apart.
        assertArrayEquals(expected.numbers("probabilities"),
                IntStream.of(kept).mapToDouble(id -> probabilities[id]).toArray(), 2e-6);
    }

    @Test
    void theCallersOwnProcessorsComeBehindTheOthersAndSeeTheWholeText() {
        LogitsProcessor own = (tokens, logits) -> {
            assertArrayEquals(new int[] {3, 1}, tokens);
            assertEquals(Float.NEGATIVE_INFINITY, logits[2], "what is banned is already excluded");
            logits[0] = Float.NEGATIVE_INFINITY;
        };
        LogitsProcessor last = (tokens, logits) -> {
            assertEquals(Float.NEGATIVE_INFINITY, logits[0], "the first of the caller's processors came before");
            logits[1] += 1;
        };
        GenerationOptions options = GenerationOptions.builder().temperature(0.5).banned(List.of(List.of(2)))
                .processors(own, last).build();
        double[] found = options.newSampler().probabilities(new float[] {5, 0, 5, 1},
                new TokenHistory(new int[] {3, 1}, 2, 1));
        assertArrayEquals(new double[] {0, 0.5, 0, 0.5}, found, 1e-12);
    }

    @Test
    void greedyOptionsHaveOneCertainToken() {
        GenerationOptions options = GenerationOptions.builder().greedy().logitBias(Map.of(0, 3.0)).build();
        assertArrayEquals(new double[] {1, 0, 0},
                options.newSampler().probabilities(new float[] {0, 2, 1}, new TokenHistory(new int[0], 0, 0)));
    }

    @Test
    void optionsThatLeaveNoTokenAreRefused() {
        GenerationOptions options = GenerationOptions.builder().banned(List.of(List.of(0), List.of(1))).build();
        String message = assertThrows(InvalidInputException.class, () -> options.newSampler().sample(new float[] {1, 2},
                new TokenHistory(new int[] {0}, 1, 1))).getMessage();
        assertTrue(message.contains("the options leave no token"), message);
    }

    static List<UnaryOperator<GenerationOptions.Builder>> outOfRange() {
        return List.of(b -> b.maxTokens(0), b -> b.temperature(-1), b -> b.temperature(Double.NaN),
                b -> b.temperature(Double.POSITIVE_INFINITY), b -> b.topK(-1), b -> b.topP(0), b -> b.topP(1.1),
                b -> b.topP(Double.NaN), b -> b.minP(-0.1), b -> b.minP(1.1), b -> b.typicalP(0), b -> b.typicalP(2),
                b -> b.repetitionPenalty(0), b -> b.repetitionPenalty(Double.NaN),
                b -> b.presencePenalty(Double.POSITIVE_INFINITY), b -> b.frequencyPenalty(Double.NaN),
                b -> b.noRepeatNgram(-1), b -> b.logitBias(Map.of(1, Double.NaN)),
                b -> b.logitBias(Map.of(1, Double.POSITIVE_INFINITY)), b -> b.banned(List.of(List.of())),
                b -> b.stop(""), b -> b.logprobs(-1));
    }

    @ParameterizedTest
    @MethodSource("outOfRange")
    void valuesOutOfRangeAreRefused(UnaryOperator<GenerationOptions.Builder> change) {
        GenerationOptions.Builder builder = change.apply(GenerationOptions.builder());
        String message = assertThrows(InvalidInputException.class, builder::build).getMessage();
        assertTrue(message.startsWith("generation options: ") && message.contains("must"), message);
    }

    @Test
    void tokensOutsideTheVocabularyAreRefused() {
        for (GenerationOptions options : List.of(
                GenerationOptions.builder().logitBias(Map.of(10, 1.0)).build(),
                GenerationOptions.builder().banned(List.of(List.of(1, 10))).build(),
                GenerationOptions.builder().forcedFirst(10).build(),
                GenerationOptions.builder().forcedLast(10).build(),
                GenerationOptions.builder().logprobs(11).build())) {
            assertThrows(InvalidInputException.class, () -> options.check(10));
            options.check(12);
        }
        GenerationOptions negative = GenerationOptions.builder().logitBias(Map.of(-1, 1.0)).build();
        assertThrows(InvalidInputException.class, () -> negative.check(10));
    }

    /** A change of every value, none of them to its default. */
    static List<UnaryOperator<GenerationOptions.Builder>> changes() {
        return List.of(b -> b.maxTokens(3), b -> b.temperature(0.5), b -> b.topK(4), b -> b.topP(0.6),
                b -> b.minP(0.1), b -> b.typicalP(0.7), b -> b.seed(8), b -> b.repetitionPenalty(1.1),
                b -> b.presencePenalty(0.2), b -> b.frequencyPenalty(0.3), b -> b.noRepeatNgram(2),
                b -> b.logitBias(Map.of(1, 2.0)), b -> b.banned(List.of(List.of(5))), b -> b.forcedFirst(6),
                b -> b.forcedLast(7), b -> b.processors((tokens, logits) -> {}), b -> b.stop("x"),
                b -> b.stopAtEndOfText(false), b -> b.logprobs(9));
    }

    @Test
    void aBuilderFromOptionsHoldsTheirValues() {
        GenerationOptions.Builder builder = GenerationOptions.builder();
        changes().forEach(change -> change.apply(builder));
        GenerationOptions options = builder.build();
        GenerationOptions copy = options.toBuilder().build();
        assertEquals(options, copy);
        assertEquals(options.hashCode(), copy.hashCode());
        assertEquals(options.toString(), copy.toString());
    }

    @Test
    void everyValueIsPartOfEqualityAndText() {
        assertEquals(accessors().count(), changes().size(), "a change for each value");
        for (UnaryOperator<GenerationOptions.Builder> change : changes()) {
            GenerationOptions changed = change.apply(GenerationOptions.builder()).build();
            List<String> different = accessors()
                    .filter(value -> !read(value, changed).equals(read(value, GenerationOptions.DEFAULT)))
                    .map(Method::getName).toList();
            assertEquals(1, different.size(), () -> "values of " + changed + " that changed: " + different);
            assertNotEquals(GenerationOptions.DEFAULT, changed, different::toString);
            assertTrue(changed.toString().contains(different.getFirst() + "="), changed::toString);
            assertEquals(changed, changed.toBuilder().build(), different::toString);
        }
    }

    private static Stream<Method> accessors() {
        return Arrays.stream(GenerationOptions.class.getDeclaredMethods()).filter(method -> method.getParameterCount() == 0
                && Modifier.isPublic(method.getModifiers()) && !Modifier.isStatic(method.getModifiers())
                && !List.of("toBuilder", "hashCode", "toString").contains(method.getName()));
    }

    private static Object read(Method accessor, GenerationOptions options) {
        try {
            return accessor.invoke(options);
        } catch (ReflectiveOperationException e) {
            throw new AssertionError(e);
        }
    }
}
