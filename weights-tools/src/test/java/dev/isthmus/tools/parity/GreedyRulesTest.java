package dev.isthmus.tools.parity;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import java.util.List;
import org.junit.jupiter.api.Test;

/** What transformers' logits processors do to the logits 1, −1, 2, −2, 3 of ids 0 to 4. */
class GreedyRulesTest {

    private static final float NEVER = Float.NEGATIVE_INFINITY;

    private static void changes(GreedyRules rules, List<Integer> text, float... expected) {
        float[] logits = {1, -1, 2, -2, 3};
        rules.apply(text, logits);
        assertArrayEquals(expected, logits);
    }

    @Test
    void aRepeatedTokenIsPenalisedOnceTowardsLess() {
        changes(new GreedyRules(2, 0, List.of()), List.of(3, 4, 3), 1, -1, 2, -4, 1.5f);
    }

    @Test
    void noSequenceOfTwoComesTwice() {
        changes(new GreedyRules(1, 2, List.of()), List.of(1, 4, 1, 2, 1), 1, -1, NEVER, -2, NEVER);
        changes(new GreedyRules(1, 2, List.of()), List.of(1), 1, -1, 2, -2, 3);
    }

    @Test
    void noSequenceOfThreeComesTwice() {
        changes(new GreedyRules(1, 3, List.of()), List.of(1, 2, 0, 4, 1, 2), NEVER, -1, 2, -2, 3);
        changes(new GreedyRules(1, 3, List.of()), List.of(1, 2, 0, 4, 2), 1, -1, 2, -2, 3);
    }

    @Test
    void aBannedSequenceIsNotCompleted() {
        GreedyRules rules = new GreedyRules(1, 0, List.of(new int[] {0}, new int[] {1, 2, 3}));
        changes(rules, List.of(1, 2), NEVER, -1, 2, NEVER, 3);
        changes(rules, List.of(1, 2, 4), NEVER, -1, 2, -2, 3);
        changes(rules, List.of(2), NEVER, -1, 2, -2, 3);
    }
}
