package dev.isthmus.engine.sampling;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.errors.InvalidInputException;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

class SamplerTest {

    private static final float INFINITY = Float.POSITIVE_INFINITY;

    private static final TokenHistory NOTHING = new TokenHistory(new int[0], 0, 0);

    static List<WarperFixture> warped() {
        return WarperFixture.all();
    }

    static List<WarperFixture> drawn() {
        return WarperFixture.all().stream().filter(each -> each.has("draws")).toList();
    }

    private static Candidates select(double temperature, Truncation truncation, float[] logits) {
        Candidates candidates = new Candidates(temperature, truncation);
        // The memory of a call before must not show.
        candidates.select(new float[] {3, 1, 2, 9, 4}, 9);
        candidates.select(logits, logits[Candidates.argmax(logits)]);
        return candidates;
    }

    private static Sampler sampler(double temperature, int topK, double topP, long seed) {
        return new Sampler(temperature, new Truncation(topK, topP, 0, 1), seed, List.of());
    }

    private static int[] kept(Candidates candidates, int vocabulary) {
        return IntStream.range(0, vocabulary).filter(id -> candidates.weight(id) > 0).toArray();
    }

    @ParameterizedTest
    @MethodSource("warped")
    void theTokensThatTransformersKeepsAreKeptWithTheirProbabilities(WarperFixture fixture) {
        Candidates candidates = select(fixture.temperature(), new Truncation(fixture.topK(), fixture.topP(), 0, 1),
                fixture.logits());
        int[] kept = kept(candidates, fixture.logits().length);
        double[] probabilities = IntStream.of(kept).mapToDouble(id -> candidates.weight(id) / candidates.total())
                .toArray();
        if (fixture.has("summary")) {
            double[] summary = fixture.doubles("summary", 1);
            assertEquals(summary[0], kept.length);
            assertEquals(summary[1], IntStream.of(kept).asLongStream().sum());
            assertEquals(summary[2], Arrays.stream(probabilities).max().orElseThrow(), 1e-12);
            assertEquals(summary[3], Arrays.stream(probabilities).min().orElseThrow(), 1e-12);
        } else {
            // What transformers keeps with a probability of 0 is no candidate.
            int[] ids = fixture.ints("kept", 1);
            double[] expected = fixture.doubles("probabilities", 1);
            assertArrayEquals(IntStream.range(0, ids.length).filter(i -> expected[i] > 0).map(i -> ids[i]).toArray(),
                    kept);
            assertArrayEquals(Arrays.stream(expected).filter(each -> each > 0).toArray(), probabilities, 1e-12);
        }
    }

    @ParameterizedTest
    @MethodSource("drawn")
    void theSameSeedDrawsTheSameTokensEverywhere(WarperFixture fixture) {
        Sampler sampler = sampler(fixture.temperature(), fixture.topK(), fixture.topP(), fixture.seed());
        float[] logits = fixture.logits().clone();
        int[] expected = fixture.ints("draws", 2);
        assertArrayEquals(expected,
                IntStream.range(0, expected.length).map(i -> sampler.sample(logits, NOTHING)).toArray());
        assertArrayEquals(fixture.logits(), logits);
    }

    @Test
    void theGeneratorIsSplitMix64() {
        SplitMix64 random = new SplitMix64(1234567);
        assertArrayEquals(new long[] {6457827717110365317L, 3203168211198807973L, -8629252141511181193L,
            4593380528125082431L, -2037821214251327795L}, LongStream.generate(random::nextLong).limit(5).toArray());
    }

    @Test
    void aTokenWithoutProbabilityIsNeverDrawn() {
        // The generator's state becomes 0, which it maps to 0: the least draw there is.
        long seed = -0x9E3779B97F4A7C15L;
        assertEquals(0, new SplitMix64(seed).nextDouble());
        assertEquals(1, sampler(1, 0, 1, seed).sample(new float[] {-1000, 0, 0}, NOTHING));
    }

    @Test
    void tokensAreDrawnAsOftenAsTheirProbabilitySays() {
        float[] logits = {0, 1, 2, -INFINITY, 0.5f};
        int draws = 100_000;
        Sampler sampler = sampler(1, 0, 1, 42);
        int[] counts = new int[logits.length];
        for (int i = 0; i < draws; i++) {
            counts[sampler.sample(logits, NOTHING)]++;
        }
        double sum = 0;
        for (float logit : logits) {
            sum += Math.exp(logit);
        }
        for (int id = 0; id < logits.length; id++) {
            double p = Math.exp(logits[id]) / sum;
            assertEquals(p * draws, counts[id], 4 * Math.sqrt(draws * p * (1 - p)));
        }
    }

    @Test
    void temperatureZeroTakesTheLargestLogitAndTheLowestIdOfEquals() {
        assertEquals(1, sampler(0, 0, 1, 0).sample(new float[] {-3, 5, 5, 4}, NOTHING));
        assertEquals(0, sampler(0, 1, 0.1, 0).sample(new float[] {-0f, 0f}, NOTHING));
        assertEquals(2, sampler(0, 0, 1, 0).sample(new float[] {-INFINITY, -INFINITY, -Float.MAX_VALUE}, NOTHING));
        assertEquals(0, sampler(0, 0, 1, 0).sample(new float[] {7}, NOTHING));
    }

    @ParameterizedTest
    @CsvSource({"4.9e-324", "1e-300", "1e-30", "1", "1e30", "1.7976931348623157e308"})
    void theLargestFloatsAndExtremeTemperaturesAreSampledWithoutOverflow(double temperature) {
        float[] logits = {-Float.MAX_VALUE, Float.MAX_VALUE, Float.MIN_VALUE, -INFINITY, 0};
        for (int topK : new int[] {0, 2, 100}) {
            for (double topP : new double[] {Double.MIN_VALUE, 0.5, Math.nextDown(1.0), 1}) {
                int id = sampler(temperature, topK, topP, 1).sample(logits, NOTHING);
                Candidates candidates = select(temperature, new Truncation(topK, topP, 0.1, 0.9), logits);
                assertTrue(candidates.total() > 0 && candidates.total() <= 4, () -> "total " + candidates.total());
                assertTrue(id != 3 && (temperature > 1e35 || id == 1), () -> "drew " + id);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"0", "1"})
    void logitsThatAreNoNumbersAreRefused(double temperature) {
        Sampler sampler = sampler(temperature, 0, 1, 0);
        assertRefused(sampler, "the logit of token 2 is NaN", 0, 1, Float.NaN);
        assertRefused(sampler, "the logit of token 0 is NaN", Float.NaN, 1, 2);
        assertRefused(sampler, "the logit of token 1 is Infinity", 0, INFINITY, 2);
        assertRefused(sampler, "all 2 logits are -Infinity", -INFINITY, -INFINITY);
        assertRefused(sampler, "there are no logits");
    }

    private static void assertRefused(Sampler sampler, String expected, float... logits) {
        String message = assertThrows(InvalidInputException.class, () -> sampler.sample(logits, NOTHING)).getMessage();
        assertTrue(message.contains(expected), message);
    }

    @Test
    void topKKeepsWhatAFullSortKeeps() {
        Random random = new Random(7);
        for (int round = 0; round < 2_000; round++) {
            float[] logits = new float[1 + random.nextInt(60)];
            for (int i = 0; i < logits.length; i++) {
                logits[i] = random.nextInt(20) - 10;
            }
            int topK = 1 + random.nextInt(70);
            Candidates candidates = select(1, new Truncation(topK, 1, 0, 1), logits);
            float[] sorted = logits.clone();
            Arrays.sort(sorted);
            float least = sorted[Math.max(0, sorted.length - topK)];
            assertArrayEquals(IntStream.range(0, logits.length).filter(id -> logits[id] >= least).toArray(),
                    kept(candidates, logits.length));
        }
    }

    @Test
    void topPKeepsTheFewestTokensThatReachP() {
        Random random = new Random(8);
        for (int round = 0; round < 2_000; round++) {
            float[] logits = new float[1 + random.nextInt(60)];
            for (int i = 0; i < logits.length; i++) {
                logits[i] = (float) random.nextGaussian() * 5;
            }
            double topP = 0.01 + 0.98 * random.nextDouble();
            Candidates all = select(1, Truncation.NONE, logits);
            Candidates kept = select(1, new Truncation(0, topP, 0, 1), logits);
            double mass = 0;
            double smallest = Double.MAX_VALUE;
            for (int id : kept(kept, logits.length)) {
                double p = all.weight(id) / all.total();
                mass += p;
                smallest = Math.min(smallest, p);
            }
            assertTrue(mass >= topP - 1e-12 && mass - smallest < topP + 1e-12, mass + " for " + topP);
        }
    }

    @Test
    void exponentialsAreThoseOfStrictMathAndRiseWithTheLogit() {
        float[] logits = new float[400_001];
        for (int i = 0; i < logits.length; i++) {
            logits[i] = (i - 400_000) * 0x1p-9f;
        }
        double[] weights = new double[logits.length];
        Exponentials.of(logits, 0, 1, weights);
        assertEquals(1, weights[400_000]);
        assertEquals(0, weights[0]);
        for (int i = 1; i < logits.length; i++) {
            double expected = StrictMath.exp(logits[i]);
            assertTrue(weights[i] >= weights[i - 1], "at " + logits[i]);
            assertEquals(expected, weights[i], expected < 1e-307 ? 1e-307 : 1e-12 * expected);
        }
    }

    @Test
    void theLargestLogitsComeInOrderAndTheLowerIdOfEqualsFirst() {
        float[] logits = {1, 7, -0f, 7, -INFINITY, 0, 9};
        assertArrayEquals(new int[] {6, 1, 3, 0, 2, 5, 4}, LogProbabilities.largest(logits, 7));
        assertArrayEquals(new int[] {6, 1}, LogProbabilities.largest(logits, 2));
        assertArrayEquals(new int[0], LogProbabilities.largest(logits, 0));
    }
}
