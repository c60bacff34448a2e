package dev.isthmus.engine.api;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.isthmus.engine.errors.InvalidInputException;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class DistributionTest {

    private static final float INFINITE = Float.POSITIVE_INFINITY;

    private final Distribution distribution = Distribution.of(new float[] {1, 3, -INFINITE, 3, 2});

    @Test
    void probabilitiesAddUpToOne() {
        assertEquals(1, Arrays.stream(distribution.logprobs()).map(Math::exp).sum(), 1e-12);
        assertEquals(Math.exp(1), distribution.probability(1) / distribution.probability(4), 1e-12);
    }

    @Test
    void anImpossibleTokenCountsForNothing() {
        assertEquals(0, distribution.probability(2));
        assertEquals(Double.NEGATIVE_INFINITY, distribution.logprob(2));
        assertEquals(Distribution.of(new float[] {1, 3, 3, 2}).entropy(), distribution.entropy(), 1e-12);
    }

    @Test
    void entropyGoesFromNothingToThatOfEqualTokens() {
        assertEquals(0, Distribution.of(new float[] {0, -INFINITE, -INFINITE}).entropy());
        assertEquals(Math.log(7), Distribution.of(new float[7]).entropy(), 1e-12);
    }

    @Test
    void tokensAreRankedByTheirLogitsAndThenTheirIds() {
        assertEquals(List.of(1, 3, 4), distribution.top(3).stream().map(TokenLogprob::id).toList());
        assertEquals(0, distribution.rank(1));
        assertEquals(0, distribution.rank(3));
        assertEquals(2, distribution.rank(4));
        assertEquals(4, distribution.rank(2));
    }

    @Test
    void whatItWasMadeOfMayChangeAfterwards() {
        float[] logits = {1, 2};
        Distribution made = Distribution.of(logits);
        logits[0] = 5;
        assertEquals(1, made.logit(0));
        made.logprobs()[1] = 0;
        assertEquals(-Math.log(1 + Math.exp(-1)), made.logprob(1), 1e-12);
    }

    @Test
    void whatIsNoDistributionOrNoTokenIsRefused() {
        assertThrows(InvalidInputException.class, () -> Distribution.of(new float[] {0, Float.NaN}));
        assertThrows(InvalidInputException.class, () -> Distribution.of(new float[] {INFINITE}));
        assertThrows(InvalidInputException.class, () -> Distribution.of(new float[] {-INFINITE}));
        assertThrows(InvalidInputException.class, () -> distribution.probability(5));
        assertThrows(InvalidInputException.class, () -> distribution.rank(-1));
        assertThrows(InvalidInputException.class, () -> distribution.top(6));
    }
}
