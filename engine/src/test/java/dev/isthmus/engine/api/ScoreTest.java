package dev.isthmus.engine.api;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.isthmus.engine.errors.InvalidInputException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalDouble;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ScoreTest {

    private Model model;

    @BeforeEach
    void open(@TempDir Path directory) throws IOException {
        model = Model.open(TinyModel.write(directory));
    }

    @AfterEach
    void close() {
        model.close();
    }

    @ParameterizedTest
    @CsvSource({"2,10", "40,40", "41,20", "41,40", "100,1", "100,17", "100,40", "121,40"})
    void eachTokenIsScoredInTheFirstWindowThatReachesIt(int length, int stride) {
        int[] ids = ids(length);
        double[] expected = expected(ids, stride);
        Score score = model.score(ids, stride);
        assertEquals(length, score.tokens());
        assertArrayEquals(expected, score.tokenLogprobs(), 1e-4);
        assertEquals(-Arrays.stream(expected).average().orElseThrow(), score.nll(), 1e-5);
        assertEquals(Math.exp(score.nll()), score.perplexity());
    }

    /** Hugging Face's loop, one window's logits at a time. */
    private double[] expected(int[] ids, int stride) {
        var logprobs = new ArrayList<Double>();
        int previousEnd = 0;
        for (int begin = 0; begin < ids.length; begin += stride) {
            int end = Math.min(begin + TinyModel.CONTEXT, ids.length);
            int targets = end - previousEnd;
            int from = begin;
            try (Session session = model.newSession()) {
                session.append(Arrays.copyOfRange(ids, begin, end), (LogitsVisitor) (position, logits) -> {
                    int target = from + position + 1;
                    if (target < end && target >= end - targets) {
                        double sum = 0;
                        for (float logit : logits) {
                            sum += Math.exp(logit);
                        }
                        logprobs.add(logits[ids[target]] - Math.log(sum));
                    }
                });
            }
            previousEnd = end;
            if (end == ids.length) {
                break;
            }
        }
        return logprobs.stream().mapToDouble(Double::doubleValue).toArray();
    }

    @Test
    void eachTokensScoreIsFoundByItsPlaceInTheText() {
        Score overlapping = model.score(ids(100), 20);
        assertEquals(OptionalDouble.empty(), overlapping.logprob(0));
        for (int i = 1; i < 100; i++) {
            assertEquals(OptionalDouble.of(overlapping.tokenLogprobs()[i - 1]), overlapping.logprob(i));
        }
        Score apart = model.score(ids(100), 40);
        assertEquals(97, apart.tokenLogprobs().length);
        assertEquals(List.of(new Score.Window(0, 1, 40), new Score.Window(40, 41, 80), new Score.Window(80, 81, 100)),
                apart.windows());
        assertEquals(OptionalDouble.empty(), apart.logprob(40));
        assertEquals(OptionalDouble.of(apart.tokenLogprobs()[39]), apart.logprob(41));
        assertEquals(OptionalDouble.of(apart.tokenLogprobs()[96]), apart.logprob(99));
        assertThrows(InvalidInputException.class, () -> apart.logprob(100));
        assertThrows(InvalidInputException.class, () -> apart.logprob(-1));
    }

    @ParameterizedTest
    @CsvSource({"40,7", "100,40", "2,1"})
    void withoutOverlapTheGuidesPerplexityIsTheSame(int length, int stride) {
        Score score = model.score(ids(length), stride);
        assertEquals(score.perplexity(), score.guidePerplexity(), 1e-9 * score.perplexity());
    }

    @Test
    void aTextIsScoredAsItsTokensInWindowsThatMoveByHalfOfTheContext() {
        String text = "hello world, ".repeat(8);
        assertEquals(model.score(model.tokenizer().orElseThrow().encode(text), 20), model.score(text));
    }

    @Test
    void aScoreSaysItsFiguresInWords() {
        Score score = new Score(3, 0.5, new double[] {-0.25, -0.75}, List.of(new Score.Window(0, 1, 3)));
        assertEquals("Score[tokens=3, nll=0.5, perplexity=1.6487212707001282, tokenLogprobs=2,"
                + " windows=[Window[begin=0, predicted=1, end=3]]]", score.toString());
    }

    @Test
    void whatAListenerWritesChangesNoScore() {
        int[] ids = {1, 2, 3, 4, 5, 6, 7, 8, 9};
        Score expected = model.score(ids, 4);
        assertEquals(expected, model.score(ids, 4, (done, total) -> Arrays.fill(ids, 0)));
    }

    @Test
    void progressGoesUpToTheWholeText() {
        List<Long> done = new ArrayList<>();
        model.score(ids(100), 20, (tokens, total) -> {
            assertEquals(100, total);
            done.add(tokens);
        });
        assertEquals(LongStream.rangeClosed(2, 100).boxed().toList(), done);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, -1, 41})
    void aStrideOutsideTheContextIsRefused(int stride) {
        assertThrows(InvalidInputException.class, () -> model.score(ids(50), stride));
    }

    @Test
    void oneTokenHasNothingToPredict() {
        assertThrows(InvalidInputException.class, () -> model.score(new int[] {1}, 10));
    }

    private static int[] ids(int length) {
        return IntStream.range(0, length).map(i -> (i * i * 13 + i) % TinyModel.VOCABULARY).toArray();
    }
}
