package dev.isthmus.engine.api;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.errors.ClosedException;
import dev.isthmus.engine.errors.ConcurrentUseException;
import dev.isthmus.engine.errors.ContextFullException;
import dev.isthmus.engine.errors.InvalidInputException;
import dev.isthmus.engine.session.TokenBuffer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.MethodSource;

/** Sessions, as an application uses them, on every backend. */
@Timeout(60)
@ParameterizedClass
@MethodSource("dev.isthmus.engine.api.TestedBackends#all")
class SessionTest {

    private static final int CHANCES = 30;

    @Parameter
    BackendChoice backend;

    @TempDir
    static Path directory;

    private Model model;
    private Session session;

    @BeforeEach
    void open() throws IOException {
        if (Files.notExists(directory.resolve("config.json"))) {
            TinyModel.write(directory);
        }
        model = Model.open(directory, ModelOptions.DEFAULT.withBackend(backend).withThreads(2));
        session = model.newSession();
    }

    @AfterEach
    void close() {
        session.close();
        model.close();
    }

    @Test
    void textIsReadAsItsTokens() {
        session.append("hello");
        assertArrayEquals(new int[] {257, 'l', 'o'}, session.tokens());
        assertEquals(3, session.length());
    }

    @Test
    void logitsAreTheSameHoweverTheTextWasAppended() {
        session.append(1, 2, 3, 4, 5);
        try (Session other = model.newSession()) {
            other.append(1, 2);
            other.logits();
            other.append(3);
            other.append(4, 5);
            assertClose(session.logits(), other.logits());
        }
    }

    @Test
    void logitsOfAllPositionsEndWithThoseOfTheLast() {
        List<float[]> rows = new ArrayList<>();
        session.append(new int[] {9, 8, 7, 6}, (LogitsVisitor) (position, logits) -> {
            assertEquals(rows.size(), position);
            rows.add(logits.clone());
        });
        assertEquals(4, rows.size());
        assertArrayEquals(rows.get(3), session.logits());
        session.rewind(2);
        assertClose(rows.get(1), session.logits());
    }

    @Test
    void probabilitiesAreTheSoftmaxOfTheLogits() {
        session.append(1, 2, 3);
        float[] logits = session.logits();
        double sum = 0;
        for (float logit : logits) {
            sum += Math.exp(logit);
        }
        double[] probabilities = session.next().probabilities();
        for (int i = 0; i < logits.length; i++) {
            assertEquals(Math.exp(logits[i]) / sum, probabilities[i], 1e-12);
        }
    }

    @Test
    void rewindingAndReadingAgainGivesTheSameLogits() {
        session.append(1, 2, 3, 4, 5);
        float[] logits = session.logits();
        session.rewind(1);
        session.append(50, 60);
        session.rewind(1);
        session.append(2, 3, 4, 5);
        assertClose(logits, session.logits());
        session.rewind(0);
        assertThrows(InvalidInputException.class, session::logits);
        assertThrows(InvalidInputException.class, () -> session.rewind(1));
    }

    @Test
    void generatedTokensBecomePartOfTheSession() {
        session.append(1, 2, 3);
        List<Integer> ids = ids(session.generate(greedy(5)));
        assertEquals(8, session.length());
        assertEquals(ids, Arrays.stream(session.tokens()).skip(3).boxed().toList());
        float[] after = session.logits();
        try (Session other = model.newSession()) {
            other.append(session.tokens());
            assertClose(after, other.logits());
        }
    }

    @Test
    void theLikeliestTokenIsTakenAtTemperatureZero() {
        session.append(1, 2, 3);
        float[] logits = session.logits();
        int chosen = ids(session.generate(greedy(1))).getFirst();
        for (float logit : logits) {
            assertTrue(logit <= logits[chosen]);
        }
    }

    @Test
    void theSameSeedGivesTheSameTextForAnyNumberOfThreads() throws IOException {
        GenerationOptions options = GenerationOptions.builder().temperature(1.5).maxTokens(20)
                .stopAtEndOfText(false).build();
        session.append(1);
        List<Integer> first = ids(session.generate(options.toBuilder().seed(7).build()));
        session.rewind(1);
        assertFalse(first.equals(ids(session.generate(options.toBuilder().seed(8).build()))),
                "another seed, another text");
        for (int threads : new int[] {1, 3}) {
            try (Model other = Model.open(directory, ModelOptions.DEFAULT.withBackend(backend).withThreads(threads));
                    Session same = other.newSession()) {
                same.append(1);
                assertEquals(first, ids(same.generate(options.toBuilder().seed(7).build())));
            }
        }
    }

    @Test
    void streamedTextIsTheTextOfTheTokens() {
        session.append("hello");
        StringBuilder streamed = new StringBuilder();
        Generation generation = session.generate(GenerationOptions.builder().temperature(3).maxTokens(30)
                .stopAtEndOfText(false).build());
        for (Token token : generation) {
            streamed.append(token.text());
        }
        assertEquals(FinishReason.MAX_TOKENS, generation.finishReason().orElseThrow());
        int[] generated = Arrays.copyOfRange(session.tokens(), 3, session.length());
        assertEquals(model.tokenizer().orElseThrow().decode(generated), streamed.toString());
    }

    @Test
    void aStopStringEndsTheTextBeforeIt() {
        session.append(1, 2, 3);
        GenerationOptions options = GenerationOptions.builder().temperature(3).seed(3).maxTokens(30)
                .stopAtEndOfText(false).build();
        String whole = text(session.generate(options));
        String stop = whole.substring(10, 13);
        session.rewind(3);
        Generation stopped = session.generate(options.toBuilder().stop("never there", stop).build());
        assertEquals(whole.substring(0, whole.indexOf(stop)), text(stopped));
        assertEquals(FinishReason.STOP, stopped.finishReason().orElseThrow());
    }

    @Test
    void whatMightHaveBecomeAStopStringIsHandedOutAtTheEnd() {
        session.append(1, 2, 3);
        GenerationOptions options = GenerationOptions.builder().temperature(3).seed(3).maxTokens(30)
                .stopAtEndOfText(false).build();
        String whole = text(session.generate(options));
        session.rewind(3);
        String almost = whole.substring(whole.length() - 2) + "never";
        Generation unstopped = session.generate(options.toBuilder().stop(almost).build());
        assertEquals(whole, text(unstopped));
        assertEquals(FinishReason.MAX_TOKENS, unstopped.finishReason().orElseThrow());
    }

    @Test
    void theEndOfTextTokenEndsTheGenerationUnlessItIsToldNotTo() {
        session.append(1);
        GenerationOptions hot = GenerationOptions.builder().temperature(1e6).maxTokens(CHANCES).build();
        boolean seen = false;
        for (int seed = 0; seed < 200 && !seen; seed++) {
            session.rewind(1);
            Generation generation = session.generate(hot.toBuilder().seed(seed).build());
            List<Integer> ids = ids(generation);
            seen = generation.finishReason().orElseThrow() == FinishReason.END_OF_TEXT;
            assertEquals(seen, ids.getLast() == TinyModel.END_OF_TEXT);
            if (seen && ids.size() < CHANCES) {
                session.rewind(1);
                GenerationOptions onwards = hot.toBuilder().seed(seed).stopAtEndOfText(false).build();
                assertEquals(CHANCES, ids(session.generate(onwards)).size());
            }
        }
        assertTrue(seen, "30 of 259 equally likely tokens, 200 times, hold the end-of-text token");
    }

    @Test
    void aFullContextFinishesAGeneration() {
        session.append(new int[TinyModel.CONTEXT - 2]);
        List<Token> taken = new ArrayList<>();
        Generation generation = session.generate(greedy(10).toBuilder().stopAtEndOfText(false).build());
        generation.forEach(taken::add);
        assertEquals(FinishReason.CONTEXT_FULL, generation.finishReason().orElseThrow());
        assertEquals(3, taken.size(), "the last token is chosen from the last position's logits and never read");
        Generation another = session.generate(greedy(10));
        assertEquals(List.of(), ids(another));
        assertEquals(FinishReason.CONTEXT_FULL, another.finishReason().orElseThrow());
    }

    @Test
    void aFullContextHandsOutTheTextHeldBack() {
        session.append(new int[TinyModel.CONTEXT - 9]);
        GenerationOptions options = GenerationOptions.builder().temperature(3).seed(3).maxTokens(30)
                .stopAtEndOfText(false).build();
        String whole = text(session.generate(options));
        session.rewind(TinyModel.CONTEXT - 9);
        Generation held = session.generate(options.toBuilder().stop(whole.substring(whole.length() - 2) + "never")
                .build());
        assertEquals(whole, text(held));
        assertEquals(FinishReason.CONTEXT_FULL, held.finishReason().orElseThrow());
    }

    @Test
    void maxTokensThatFillTheContextAreMaxTokens() {
        session.append(new int[TinyModel.CONTEXT - 2]);
        Generation generation = session.generate(greedy(3).toBuilder().stopAtEndOfText(false).build());
        assertEquals(3, ids(generation).size());
        assertEquals(FinishReason.MAX_TOKENS, generation.finishReason().orElseThrow());
    }

    @Test
    void aFullContextFinishesTheBestOfSeveral() {
        session.append(new int[TinyModel.CONTEXT - 2]);
        List<Completion> found = session.bestOf(2, greedy(10).toBuilder().stopAtEndOfText(false).build()).run();
        assertEquals(List.of(FinishReason.CONTEXT_FULL, FinishReason.CONTEXT_FULL),
                found.stream().map(Completion::finishReason).toList());
        assertEquals(3, found.getFirst().ids().size());
    }

    @Test
    void whatAVisitorWritesChangesNothing() {
        session.append(1, 2, 3);
        float[] logits = session.logits();
        List<Integer> ids = ids(session.generate(greedy(5)));
        try (Session visited = model.newSession()) {
            visited.append(new int[] {1, 2}, (LogitsVisitor) (position, row) -> Arrays.fill(row, Float.NaN));
            List<float[]> kept = new ArrayList<>();
            visited.append(new int[] {3}, (LogitsVisitor) (position, row) -> kept.add(row));
            Arrays.fill(kept.getFirst(), 7);
            assertClose(logits, visited.logits());
            assertEquals(ids, ids(visited.generate(greedy(5))));
        }
    }

    @Test
    void whatAnObserverWritesChangesNothing() {
        session.append(1, 2, 3);
        float[] logits = session.logits();
        try (Session observed = model.newSession()) {
            observed.append(new int[] {1, 2, 3}, new ForwardObserver() {
                @Override
                public void hiddenState(int boundary, int position, double[] values) {
                    Arrays.fill(values, Double.NaN);
                }

                @Override
                public boolean wantsAttention(int layer, int head) {
                    return true;
                }

                @Override
                public void attention(int layer, int head, int position, double[] probabilities) {
                    Arrays.fill(probabilities, Double.NaN);
                }
            });
            assertClose(logits, observed.logits());
        }
    }

    @Test
    void aVisitorThatThrowsLeavesTheLogitsBitForBit() {
        session.append(1, 2, 3);
        float[] logits = session.logits();
        assertThrows(IllegalStateException.class, () -> session.append(new int[] {4, 5, 6},
                (LogitsVisitor) (position, row) -> {
                    Arrays.fill(row, 0);
                    if (position == 5) {
                        throw new IllegalStateException("the visitor's own");
                    }
                }));
        assertArrayEquals(logits, session.logits());
    }

    @Test
    void whatDoesNotFitOrIsNoTokenIsRefusedAndLeavesTheSessionAsItWas() {
        session.append(1, 2, 3);
        float[] logits = session.logits();
        assertThrows(ContextFullException.class, () -> session.append(new int[TinyModel.CONTEXT - 2]));
        assertThrows(InvalidInputException.class, () -> session.append(4, TinyModel.VOCABULARY));
        assertThrows(InvalidInputException.class, () -> session.append(4, -1));
        assertThrows(InvalidInputException.class, () -> session.append(new int[0]));
        assertThrows(InvalidInputException.class, () -> session.append(""));
        assertThrows(IllegalStateException.class, () -> session.append(new int[] {4, 5, 6},
                (LogitsVisitor) (position, row) -> {
                    throw new IllegalStateException("the visitor's own");
                }));
        assertEquals(3, session.length());
        session.append(9);
        try (Session untroubled = model.newSession()) {
            untroubled.append(1, 2, 3, 9);
            assertClose(untroubled.logits(), session.logits());
        }
        session.rewind(3);
        assertClose(logits, session.logits());
    }

    @Test
    void anEmptySessionHasNothingToContinue() {
        assertThrows(InvalidInputException.class, () -> session.generate(greedy(1)));
        assertThrows(InvalidInputException.class, session::logits);
    }

    @Test
    void tokensCarryTheModelsOwnLogProbabilitiesWhateverTheOptionsDo() {
        session.append(1, 2, 3);
        float[] logits = session.logits();
        double logSumExp = Math.log(IntStream.range(0, logits.length).mapToDouble(i -> Math.exp(logits[i])).sum());
        List<Integer> likeliest = IntStream.range(0, logits.length).boxed()
                .sorted(Comparator.comparingDouble(id -> -logits[id])).limit(5).toList();
        GenerationOptions options = GenerationOptions.builder().temperature(0.5).forcedFirst(9).logprobs(5).build();
        Token token = session.generate(options).iterator().next();
        assertEquals(9, token.id());
        assertEquals(logits[9] - logSumExp, token.logprob().orElseThrow(), 1e-5);
        assertEquals(likeliest, token.top().stream().map(TokenLogprob::id).toList());
        token.top().forEach(each -> assertEquals(logits[each.id()] - logSumExp, each.logprob(), 1e-5));
        session.rewind(3);
        Token plain = session.generate(options.toBuilder().logprobs(0).build()).iterator().next();
        assertEquals(token.logprob().orElseThrow(), plain.logprob().orElseThrow(), 1e-5);
        assertEquals(List.of(), plain.top());
        session.rewind(3);
        assertTrue(session.generate(GenerationOptions.DEFAULT).iterator().next().logprob().isEmpty());
    }

    @Test
    void penaltiesCountWhatThisGenerationMadeAndNotThePrompt() {
        session.append(1, 2, 3);
        GenerationOptions penalised = greedy(20).toBuilder().frequencyPenalty(1e6).stopAtEndOfText(false).build();
        List<Integer> ids = ids(session.generate(penalised));
        assertEquals(20, ids.stream().distinct().count());
        int next = ids(session.generate(greedy(1))).getFirst();
        session.rewind(23);
        session.append(next);
        int afterIt = ids(session.generate(greedy(1))).getFirst();
        session.rewind(24);
        assertEquals(afterIt, ids(session.generate(penalised.toBuilder().maxTokens(1).build())).getFirst());
    }

    @Test
    void theProbabilitiesOfTheNextTokenAreThoseOfTheOptions() {
        session.append(1, 2, 3);
        double[] plain = session.next().probabilities();
        double[] same = session.probabilities(GenerationOptions.builder().temperature(1).build());
        for (int id = 0; id < plain.length; id++) {
            assertEquals(plain[id], same[id], 1e-12);
        }
        int likeliest = ids(session.generate(greedy(1))).getFirst();
        session.rewind(3);
        double[] without = session.probabilities(GenerationOptions.builder().banned(List.of(List.of(likeliest)))
                .build());
        assertEquals(0, without[likeliest]);
        assertEquals(1, Arrays.stream(without).sum(), 1e-9);
    }

    @Test
    void leavingTheLoopOrCancellingEndsTheGeneration() {
        session.append(1);
        Generation generation = session.generate(greedy(30));
        int count = 0;
        for (Token token : generation) {
            assertEquals(session.tokens()[session.length() - 1], token.id());
            if (++count == 3) {
                generation.cancel();
            }
        }
        assertEquals(3, count);
        assertEquals(FinishReason.CANCELLED, generation.finishReason().orElseThrow());
        session.append(5);
        assertEquals(5, session.length());
        Generation neverBegun = session.generate(greedy(30));
        neverBegun.cancel();
        assertEquals(List.of(), ids(neverBegun));
        assertEquals(5, session.length());
    }

    @Test
    void aGenerationNoticesThatItsSessionWasChanged() {
        session.append(1);
        var tokens = session.generate(greedy(30)).iterator();
        tokens.next();
        session.append(5);
        assertThrows(ConcurrentUseException.class, tokens::next);
    }

    @Test
    void aSecondCallerAtTheSameTimeIsRefused() throws InterruptedException {
        CountDownLatch inside = new CountDownLatch(1);
        CountDownLatch refused = new CountDownLatch(1);
        Thread other = Thread.ofVirtual().start(() -> session.append(new int[] {1, 2},
                (LogitsVisitor) (position, row) -> {
                    inside.countDown();
                    await(refused);
                }));
        inside.await();
        assertThrows(ConcurrentUseException.class, () -> session.append(3));
        assertEquals(0, session.length());
        assertArrayEquals(new int[0], session.tokens());
        refused.countDown();
        other.join();
        assertEquals(2, session.length());
    }

    @Test
    void callsFromInsideACallAreRefused() {
        session.append(new int[] {1}, (LogitsVisitor) (position, row) -> {
            assertThrows(ConcurrentUseException.class, () -> session.append(3));
            assertThrows(ConcurrentUseException.class, session::close);
            assertThrows(ConcurrentUseException.class, model::close);
        });
        assertEquals(1, session.length());
    }

    @Test
    void pollingDisturbsNoGeneration() {
        session.append(1, 2, 3);
        int[] first = {1, 2, 3};
        AtomicBoolean done = new AtomicBoolean();
        CompletableFuture<Void> poll = CompletableFuture.runAsync(() -> {
            while (!done.get()) {
                assertArrayEquals(first, Arrays.copyOf(session.tokens(), 3));
                assertTrue(session.length() >= 3 && session.length() <= 7);
                session.metrics();
            }
        });
        try {
            for (int round = 0; round < 4; round++) {
                assertEquals(4, ids(session.generate(greedy(4).toBuilder().stopAtEndOfText(false).build())).size());
                session.rewind(3);
            }
        } finally {
            done.set(true);
        }
        poll.join();
    }

    @Test
    void anEarlierTextIsNotOverwritten() {
        session.append(1, 2, 3, 4);
        int[] before = session.tokens();
        TokenBuffer.View kept = session.text();
        session.rewind(1);
        session.append(7, 8, 9);
        assertArrayEquals(before, kept.ids());
    }

    @Test
    void closingElsewhereEndsAGenerationAsClosed() throws Exception {
        session.append(1);
        CountDownLatch begun = new CountDownLatch(1);
        CompletableFuture<FinishReason> generating;
        try (ExecutorService executor = Executors.newSingleThreadExecutor()) {
            CountDownLatch closed = new CountDownLatch(1);
            generating = session.generate(greedy(30).toBuilder().stopAtEndOfText(false).build())
                    .forEachAsync(token -> {
                        begun.countDown();
                        await(closed);
                    }, executor);
            begun.await();
            session.close();
            closed.countDown();
        }
        assertInstanceOf(ClosedException.class,
                assertThrows(ExecutionException.class, generating::get).getCause());
    }

    @Test
    void aCallThatMeetsTheClosingIsToldSo() throws InterruptedException {
        CountDownLatch inside = new CountDownLatch(1);
        CountDownLatch refused = new CountDownLatch(1);
        Thread reading = Thread.ofPlatform().start(() -> session.append(new int[] {1, 2},
                (LogitsVisitor) (position, row) -> {
                    inside.countDown();
                    await(refused);
                }));
        inside.await();
        Thread closing = Thread.ofPlatform().start(session::close);
        while (closing.getState() != Thread.State.WAITING) {
            Thread.onSpinWait();
        }
        assertThrows(ClosedException.class, () -> session.append(3));
        assertThrows(ClosedException.class, session::length);
        refused.countDown();
        reading.join();
        closing.join();
    }

    @Test
    void aModelThatClosesRefusesCallsAtOnce() throws InterruptedException {
        CountDownLatch inside = new CountDownLatch(1);
        CountDownLatch refused = new CountDownLatch(1);
        Thread reading = Thread.ofPlatform().start(() -> session.append(new int[] {1, 2},
                (LogitsVisitor) (position, row) -> {
                    inside.countDown();
                    await(refused);
                }));
        inside.await();
        Thread closing = Thread.ofPlatform().start(model::close);
        while (closing.getState() != Thread.State.WAITING) {
            Thread.onSpinWait();
        }
        assertThrows(ClosedException.class, model::newSession);
        refused.countDown();
        reading.join();
        closing.join();
    }

    @Test
    void useAfterCloseIsATypedErrorAndClosingTwiceIsNone() {
        session.append(1);
        Generation generation = session.generate(greedy(5));
        session.close();
        session.close();
        assertThrows(ClosedException.class, session::logits);
        assertThrows(ClosedException.class, () -> generation.iterator().next());
        Session second = model.newSession();
        second.append(1);
        model.close();
        model.close();
        assertThrows(ClosedException.class, () -> second.append(2));
        assertThrows(ClosedException.class, model::newSession);
        second.close();
    }

    @Test
    void anObserverSeesEveryBoundaryAndTheAttentionThatItWants() {
        List<String> seen = new ArrayList<>();
        session.append(new int[] {4, 5, 6}, new ForwardObserver() {
            @Override
            public void hiddenState(int boundary, int position, double[] values) {
                assertEquals(TinyModel.CHANNELS, values.length);
                seen.add("h" + boundary + "@" + position);
            }

            @Override
            public boolean wantsAttention(int layer, int head) {
                return layer == 1 && head != 1;
            }

            @Override
            public void attention(int layer, int head, int position, double[] probabilities) {
                assertEquals(position + 1, probabilities.length);
                assertEquals(1, Arrays.stream(probabilities).sum(), 1e-9);
                seen.add("a" + layer + "." + head + "@" + position);
            }
        });
        assertEquals(4 * 3 + 2 * 3, seen.size());
        assertTrue(seen.containsAll(List.of("h0@0", "h2@1", "h3@0", "h3@2", "a1.0@0", "a1.2@2")));
    }

    private static GenerationOptions greedy(int maxTokens) {
        return GenerationOptions.builder().greedy().maxTokens(maxTokens).build();
    }

    private static List<Integer> ids(Generation generation) {
        List<Integer> ids = new ArrayList<>();
        generation.forEach(token -> ids.add(token.id()));
        return ids;
    }

    private static String text(Generation generation) {
        StringBuilder text = new StringBuilder();
        generation.forEach(token -> text.append(token.text()));
        return text.toString();
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException interrupted) {
            throw new IllegalStateException(interrupted);
        }
    }

    private static void assertClose(float[] expected, float[] found) {
        assertArrayEquals(expected, found, 1e-4f);
    }
}
