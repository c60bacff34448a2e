package dev.isthmus.engine.api;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.errors.CancelledException;
import dev.isthmus.engine.errors.ConcurrentUseException;
import dev.isthmus.engine.errors.ContextFullException;
import dev.isthmus.engine.errors.InvalidInputException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Searches as an application uses them; BeamParityTest holds their results against transformers'. */
@Timeout(60)
class CompletionSearchTest {

    private static final GenerationOptions OPTIONS = GenerationOptions.builder().temperature(2).maxTokens(5).seed(3)
            .stopAtEndOfText(false).build();

    @TempDir
    static Path directory;

    private static Model model;
    private Session session;

    @BeforeAll
    static void open() throws IOException {
        model = Model.open(TinyModel.write(directory));
    }

    @AfterAll
    static void close() {
        model.close();
    }

    @BeforeEach
    void begin() {
        session = model.newSession();
        session.append(1, 2, 3);
    }

    @AfterEach
    void end() {
        session.close();
    }

    @Test
    void theBestOfSeveralIsThatOfTheLikeliestTokensOnAverage() {
        List<Completion> found = session.bestOf(4, OPTIONS).run();
        List<Completion> expected = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            session.rewind(3);
            GenerationOptions options = OPTIONS.toBuilder().seed(3 + i).logprobs(0).build();
            List<Token> tokens = session.generate(options).stream().toList();
            expected.add(new Completion(tokens.stream().map(Token::id).toList(),
                    String.join("", tokens.stream().map(Token::text).toList()),
                    tokens.stream().mapToDouble(token -> token.logprob().orElseThrow()).average().orElseThrow(),
                    FinishReason.MAX_TOKENS));
        }
        expected.sort(Comparator.comparingDouble(Completion::score).reversed());
        assertEquals(expected.stream().map(Completion::ids).toList(), found.stream().map(Completion::ids).toList());
        assertEquals(expected.stream().map(Completion::text).toList(), found.stream().map(Completion::text).toList());
        for (int i = 0; i < 4; i++) {
            assertEquals(expected.get(i).score(), found.get(i).score(), 1e-5);
        }
    }

    @Test
    void aSearchLeavesTheSessionAsItWasAndMayRunAgain() {
        float[] logits = session.logits();
        CompletionSearch search = session.beamSearch(OPTIONS, BeamOptions.of(3));
        assertEquals(search.run(), search.run());
        assertArrayEquals(new int[] {1, 2, 3}, session.tokens());
        assertArrayEquals(logits, session.logits());
    }

    @Test
    void textIsThatOfTheTokensWithoutEndOfText() {
        GenerationOptions ending = GenerationOptions.builder().maxTokens(3).forcedLast(TinyModel.END_OF_TEXT).build();
        for (Completion each : session.beamSearch(ending, BeamOptions.of(2)).run()) {
            assertEquals(FinishReason.END_OF_TEXT, each.finishReason());
            assertEquals(TinyModel.END_OF_TEXT, each.ids().getLast());
            int[] shown = each.ids().stream().limit(each.ids().size() - 1).mapToInt(Integer::intValue).toArray();
            assertEquals(model.tokenizer().orElseThrow().decode(shown), each.text());
        }
    }

    @Test
    void rulesThatAllowOneTokenOnlyLeaveOneHypothesis() {
        GenerationOptions forced = GenerationOptions.builder().maxTokens(1).forcedFirst(7).build();
        List<Completion> found = session.beamSearch(forced, BeamOptions.of(3)).run();
        assertEquals(List.of(List.of(7)), found.stream().map(Completion::ids).toList());
    }

    @Test
    void theCallersProcessorSeesEachHypothesis() {
        List<int[]> seen = new ArrayList<>();
        GenerationOptions own = OPTIONS.toBuilder().maxTokens(2).processors((tokens, logits) -> {
            seen.add(tokens);
            assertEquals(1, IntStream.range(0, logits.length).mapToDouble(id -> Math.exp(logits[id])).sum(), 1e-5,
                    "they are log-probabilities");
        }).build();
        session.beamSearch(own, BeamOptions.of(3)).run();
        assertEquals(List.of(3, 4, 4, 4), seen.stream().map(tokens -> tokens.length).toList());
    }

    @Test
    void whatCannotBeSearchedIsRefused() {
        BeamOptions beams = BeamOptions.of(2);
        assertThrows(InvalidInputException.class, () -> BeamOptions.of(1));
        assertThrows(InvalidInputException.class,
                () -> new BeamOptions(2, Double.NaN, BeamOptions.EarlyStopping.NO));
        assertThrows(InvalidInputException.class, () -> session.bestOf(0, OPTIONS));
        assertRefused(InvalidInputException.class, session.beamSearch(OPTIONS.toBuilder().stop("x").build(), beams));
        assertRefused(InvalidInputException.class,
                session.beamSearch(OPTIONS.toBuilder().forcedFirst(TinyModel.VOCABULARY).build(), beams));
        assertRefused(ContextFullException.class,
                session.beamSearch(OPTIONS.toBuilder().maxTokens(TinyModel.CONTEXT - 1).build(), beams));
        assertEquals(TinyModel.CONTEXT - 2, session.beamSearch(OPTIONS.toBuilder().maxTokens(TinyModel.CONTEXT - 2)
                .build(), beams).run().getFirst().ids().size());
        session.rewind(0);
        assertRefused(InvalidInputException.class, session.beamSearch(OPTIONS, beams));
        assertRefused(InvalidInputException.class, session.bestOf(2, OPTIONS));
    }

    private static void assertRefused(Class<? extends RuntimeException> how, CompletionSearch search) {
        assertThrows(how, search::run);
    }

    @Test
    void cancellingFromAnotherThreadEndsTheSearch() throws InterruptedException {
        for (boolean beams : new boolean[] {true, false}) {
            CountDownLatch started = new CountDownLatch(1);
            CountDownLatch cancelled = new CountDownLatch(1);
            GenerationOptions waiting = OPTIONS.toBuilder().processors((tokens, logits) -> {
                started.countDown();
                await(cancelled);
            }).build();
            try (CompletionSearch search = beams ? session.beamSearch(waiting, BeamOptions.of(2))
                    : session.bestOf(3, waiting); ExecutorService executor = Executors.newSingleThreadExecutor()) {
                CompletableFuture<List<Completion>> future = search.runAsync(executor);
                started.await();
                assertThrows(ConcurrentUseException.class, session::logits, "the session is taken");
                search.cancel();
                cancelled.countDown();
                ExecutionException failure = assertThrows(ExecutionException.class, future::get);
                assertEquals(CancelledException.class, failure.getCause().getClass());
            }
            assertEquals(3, session.length());
        }
    }

    @Test
    void cancellingTheFutureCancelsTheSearch() throws InterruptedException {
        CountDownLatch started = new CountDownLatch(1);
        CountDownLatch cancelled = new CountDownLatch(1);
        List<Integer> lengths = new ArrayList<>();
        GenerationOptions waiting = OPTIONS.toBuilder().processors((tokens, logits) -> {
            lengths.add(tokens.length);
            started.countDown();
            await(cancelled);
        }).build();
        try (ExecutorService executor = Executors.newSingleThreadExecutor()) {
            CompletableFuture<List<Completion>> future =
                    session.beamSearch(waiting, BeamOptions.of(2)).runAsync(executor);
            started.await();
            assertTrue(future.cancel(true));
            cancelled.countDown();
        }
        assertEquals(List.of(3), lengths, "the pass after the first step was not computed");
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException interrupted) {
            throw new IllegalStateException(interrupted);
        }
    }
}
