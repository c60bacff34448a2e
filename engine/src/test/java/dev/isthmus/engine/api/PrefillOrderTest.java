package dev.isthmus.engine.api;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.scheduler.SchedulerStep;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Whose prompt is read first, by the steps in which the first tokens are chosen. */
@Timeout(60)
class PrefillOrderTest {

    private static final int ROWS = 16;

    @TempDir
    static Path directory;

    private static Model model;

    /** The prompts' lengths in the order of their first tokens, and the steps that had been planned by then. */
    private final List<Integer> order = new ArrayList<>();
    private final List<Integer> steps = new ArrayList<>();
    private final AtomicInteger planned = new AtomicInteger();
    private int prompts;

    @BeforeAll
    static void open() throws IOException {
        model = Model.open(TinyModel.write(directory, 200, 42), ModelOptions.DEFAULT.withThreads(1)
                .withPrefixCache(PrefixCache.OFF));
    }

    @AfterAll
    static void close() {
        model.close();
    }

    /** Submits prompts while a first request holds up the batch, and waits for all first tokens. */
    private void read(int maxBatch, int... lengths) {
        try (BatchingExecutor executor = new BatchingExecutor(model.loaded(),
                new BatchingOptions(maxBatch, 64, ROWS), step -> {
            if (step == SchedulerStep.PLAN) {
                planned.incrementAndGet();
            }
        })) {
            Gate gate = new Gate(1);
            GenerationTask first = executor.submit(GenerationRequest.of(new int[] {9}, gate.options(1)));
            gate.awaitReached();
            for (int length : lengths) {
                int begin = prompts++;
                int[] prompt = IntStream.range(0, length).map(i -> i == 0 ? begin : i).toArray();
                executor.submit(GenerationRequest.of(prompt, GenerationOptions.builder().maxTokens(1)
                        .processors((tokens, logits) -> {
                            order.add(tokens.length);
                            steps.add(planned.get());
                        }).build()));
            }
            planned.set(0);
            gate.open();
            first.result().join();
        }
    }

    @Test
    void equalPromptsAreReadOneAfterTheOther() {
        read(8, 96, 96, 96, 96);
        assertEquals(List.of(6, 12, 18, 24), steps);
    }

    @Test
    void shortPromptsAreReadFirst() {
        read(8, 150, 16, 90, 40);
        assertEquals(List.of(16, 40, 90, 150), order);
        assertEquals(Math.ceilDiv(150 + 16 + 90 + 40, ROWS), steps.getLast(), "no row is wasted");
    }

    @Test
    void aLongPromptIsNotOvertakenForEver() {
        int[] lengths = IntStream.range(0, 31).map(i -> i == 0 ? 160 : 20).toArray();
        read(2, lengths);
        int place = order.indexOf(160);
        assertTrue(place >= 1, "short ones go first at first");
        assertTrue(20 * (place + 1) <= 160, "it waits for no more rows than it has: " + place + " went first");
    }
}
