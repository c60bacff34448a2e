package dev.isthmus.engine.scheduler;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.SplittableRandom;
import java.util.function.IntToLongFunction;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** How many rows of prompts a step reads, by the times of steps before. */
class PrefillBudgetTest {

    private static final long DECODE_NANOS = 10_000_000;
    private static final int MAX_ROWS = 128;

    @Test
    void promptsGetAllRowsWhereNobodyGenerates() {
        assertEquals(MAX_ROWS, new PrefillBudget(MAX_ROWS).rows(0));
        assertEquals(3, new PrefillBudget(3).rows(0));
    }

    @Test
    void aStepWithoutPromptsIsMeasuredFirstAndNowAndThen() {
        PrefillBudget budget = new PrefillBudget(MAX_ROWS);
        assertEquals(0, budget.rows(4));
        int without = 0;
        for (int step = 0; step < 1000; step++) {
            int rows = budget.rows(4);
            without += rows == 0 ? 1 : 0;
            budget.measured(4, rows, DECODE_NANOS);
        }
        assertTrue(without >= 2 && without <= 20, "steps without prompts: " + without);
    }

    /** The nanoseconds of a row of a prompt: from next to nothing to a fifth of a step. */
    @ParameterizedTest
    @ValueSource(longs = {1, 10_000, 60_000, 150_000, 400_000, 2_000_000})
    void aStepTakesAtMostTwiceTheTimeOfOneWithoutPrompts(long rowNanos) {
        int rows = settled(prefillRows -> DECODE_NANOS + rowNanos * prefillRows);
        assertTrue(rows == PrefillBudget.MIN_ROWS || rowNanos * rows <= DECODE_NANOS, rows + " rows");
        assertTrue(rows == MAX_ROWS || rowNanos * (rows + 2) > DECODE_NANOS / 2, rows + " rows are fewer than can be");
    }

    @Test
    void rowsThatGetDearerByTheirNumberAreFew() {
        int rows = settled(prefillRows -> DECODE_NANOS + 5_000L * prefillRows * prefillRows);
        assertTrue(5_000L * rows * rows <= DECODE_NANOS && rows > 20, rows + " rows");
    }

    /** As where a larger batch no longer fits into a cache of the processor. */
    @Test
    void aSuddenRiseIsMetSeldom() {
        PrefillBudget budget = new PrefillBudget(MAX_ROWS);
        int tooLong = 0;
        for (int step = 0; step < 400; step++) {
            int rows = budget.rows(8);
            boolean tooMany = rows > 60;
            tooLong += tooMany ? 1 : 0;
            budget.measured(8, rows, tooMany ? 20 * DECODE_NANOS : DECODE_NANOS + rows);
        }
        assertTrue(tooLong <= 20, tooLong + " of 400 steps took too long");
    }

    @Test
    void aSlowMachineNeverStopsPrompts() {
        assertEquals(PrefillBudget.MIN_ROWS, settled(prefillRows -> prefillRows == 0 ? 1 : 1_000_000_000));
    }

    @Test
    void theOptionsBoundTheRows() {
        PrefillBudget budget = new PrefillBudget(5);
        for (int step = 0; step < 50; step++) {
            budget.measured(2, budget.rows(2), DECODE_NANOS);
            assertTrue(budget.rows(2) <= 5);
        }
    }

    /** The rows after many steps whose times vary a little. */
    private static int settled(IntToLongFunction nanos) {
        PrefillBudget budget = new PrefillBudget(MAX_ROWS);
        SplittableRandom random = new SplittableRandom(1);
        int last = 0;
        for (int step = 0; step < 300; step++) {
            int rows = budget.rows(8);
            last = rows == 0 ? last : rows;
            budget.measured(8, rows, (long) (nanos.applyAsLong(rows) * random.nextDouble(0.98, 1.02)));
        }
        return last;
    }
}
