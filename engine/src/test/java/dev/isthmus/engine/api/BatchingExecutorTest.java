package dev.isthmus.engine.api;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.isthmus.engine.errors.CancelledException;
import dev.isthmus.engine.errors.ClosedException;
import dev.isthmus.engine.errors.ConcurrentUseException;
import dev.isthmus.engine.errors.ContextFullException;
import dev.isthmus.engine.errors.DeadlineExceededException;
import dev.isthmus.engine.errors.InvalidInputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Many requests as one batch. */
@Timeout(60)
class BatchingExecutorTest {

    private static final int CONTEXT = 200;
    private static final int LAYERS = 2;

    /** One request at a time, one in the queue. */
    private static final BatchingOptions NARROW = new BatchingOptions(1, 1, 16);

    @TempDir
    static Path directory;

    private Model model;
    private BatchingExecutor executor;

    @BeforeEach
    void open() throws IOException {
        if (Files.notExists(directory.resolve("config.json"))) {
            TinyModel.write(directory, CONTEXT, 42);
        }
        model = Model.open(directory, ModelOptions.DEFAULT.withThreads(2));
        executor = model.newBatchingExecutor(NARROW);
    }

    @AfterEach
    void close() {
        executor.closeNow();
        assertEquals(0, model.loaded().cacheBytes(), "every block was let go of");
        model.close();
    }

    @ParameterizedTest
    @EnumSource(value = BackendChoice.class, names = {"CPU", "REFERENCE"})
    void eachRequestGetsTheBitsThatASessionOfItsOwnWouldGive(BackendChoice backend) throws Exception {
        try (Model shared = Model.open(directory, ModelOptions.DEFAULT.withBackend(backend).withThreads(2))) {
            assumeTrue(shared.loaded().backend().isBatchInvariant(),
                    "NOT TESTED: needs kernels whose rows do not depend on the"
                    + " size of the batch, libisthmus or the reference; here: " + shared.backend());
            List<GenerationRequest> requests = IntStream.range(0, 60).mapToObj(BatchingExecutorTest::varied).toList();
            try (BatchingExecutor many = shared.newBatchingExecutor(new BatchingOptions(7, 5, 24));
                    ExecutorService callers = Executors.newVirtualThreadPerTaskExecutor()) {
                List<Future<GenerationResult>> found = callers.invokeAll(requests.stream()
                        .map(each -> (Callable<GenerationResult>) () -> many.submit(each).result().join()).toList());
                for (int i = 0; i < requests.size(); i++) {
                    assertEquals(alone(shared, requests.get(i)), found.get(i).get(), "request " + i);
                }
            }
            assertEquals(0, shared.loaded().cacheBytes());
        }
    }

    /** A request by its number: prompts of all lengths, some with a beginning in common, and every kind of option. */
    private static GenerationRequest varied(int i) {
        GenerationOptions.Builder options = GenerationOptions.builder().maxTokens(5 + i % 30).seed(i)
                .temperature(i % 3).stopAtEndOfText(i % 2 == 0);
        switch (i % 6) {
            case 0 -> options.stop("e", "\u00e9");
            case 1 -> options.logprobs(3).topK(20);
            case 2 -> options.frequencyPenalty(0.5).repetitionPenalty(1.2).noRepeatNgram(2);
            case 3 -> options.processors((tokens, logits) -> logits[tokens[tokens.length - 1]] = 0).logprobs(0);
            case 4 -> options.minP(0.01).topP(0.9).banned(List.of(List.of(3, 4))).forcedLast(9);
            default -> options.typicalP(0.8);
        }
        return GenerationRequest.of(ids(i % 4 == 0 ? 130 + i % 7 : 1 + i % 40, i % 2), options.build());
    }

    private static GenerationResult alone(Model model, GenerationRequest request) {
        try (Session session = model.newSession()) {
            session.append(request.prompt().stream().mapToInt(Integer::intValue).toArray());
            Generation generation = session.generate(request.options());
            List<Token> tokens = generation.stream().toList();
            return new GenerationResult(tokens, generation.finishReason().orElseThrow());
        }
    }

    @Test
    void tokensCanBeTakenAsTheyAreGenerated() {
        Gate gate = new Gate(3);
        GenerationTask task = executor.submit(GenerationRequest.of(ids(5, 0), gate.options(10)));
        Iterator<Token> tokens = task.iterator();
        List<Token> taken = new ArrayList<>(List.of(tokens.next(), tokens.next()));
        assertFalse(task.result().isDone());
        gate.open();
        tokens.forEachRemaining(taken::add);
        GenerationResult result = task.result().join();
        assertEquals(result.tokens(), taken);
        assertEquals(FinishReason.MAX_TOKENS, result.finishReason());
        assertEquals(model.tokenizer().orElseThrow().decode(taken.stream().mapToInt(Token::id).toArray()),
                result.text());
        assertThrows(ConcurrentUseException.class, task::iterator);
    }

    @Test
    void aFullQueueRefusesOrMakesTheCallerWait() throws InterruptedException {
        Gate gate = new Gate(1);
        GenerationTask running = executor.submit(GenerationRequest.of(ids(5, 0), gate.options(3)));
        gate.awaitReached();
        GenerationTask queued = executor.submit(GenerationRequest.of(ids(5, 1), greedy(3)));
        assertEquals(1, executor.queueLength());
        assertEquals(1, executor.running());
        assertEquals(Optional.empty(), executor.trySubmit(GenerationRequest.of(ids(5, 2), greedy(3))));
        assertThrows(DeadlineExceededException.class, () -> executor.submit(
                GenerationRequest.of(ids(5, 2), greedy(3)).withTimeLimit(Duration.ofMillis(1))));
        Thread.currentThread().interrupt();
        assertThrows(CancelledException.class, () -> executor.submit(GenerationRequest.of(ids(5, 2), greedy(3))));
        assertTrue(Thread.interrupted());
        List<GenerationTask> waited = new ArrayList<>();
        Thread caller = Thread.ofVirtual().start(() ->
                waited.add(executor.submit(GenerationRequest.of(ids(5, 2), greedy(3)))));
        gate.open();
        caller.join();
        for (GenerationTask task : List.of(running, queued, waited.getFirst())) {
            assertEquals(3, task.result().join().tokens().size());
        }
    }

    @Test
    void aCancelledRequestIsDoneAtOnceAndLeavesTheOthersAlone() {
        Gate gate = new Gate(2);
        GenerationTask running = executor.submit(GenerationRequest.of(ids(5, 0), gate.options(3)));
        gate.awaitReached();
        GenerationTask queued = executor.submit(GenerationRequest.of(ids(5, 1), greedy(3)));
        queued.cancel();
        assertEquals(new GenerationResult(List.of(), FinishReason.CANCELLED), queued.result().join());
        running.result().cancel(true);
        assertThrows(CancellationException.class, () -> running.result().join());
        assertEquals(1, running.stream().count());
        for (GenerationTask each : List.of(queued, running)) {
            assertEquals(Optional.of(FinishReason.CANCELLED), each.finishReason(), "a text cut short is known by it");
        }
        gate.open();
        assertEquals(3, executor.submit(GenerationRequest.of(ids(5, 1), greedy(3))).result().join().tokens().size());
    }

    @Test
    void aPassThatNobodyWaitsForEndsWithinOneLayer() throws Exception {
        AtomicInteger layers = new AtomicInteger();
        CountDownLatch inSecondPass = new CountDownLatch(1);
        CountDownLatch cancelled = new CountDownLatch(1);
        try (BatchingExecutor observed = new BatchingExecutor(model.loaded(), NARROW, () -> {
            if (layers.incrementAndGet() == LAYERS + 1) {
                inSecondPass.countDown();
                Gate.await(cancelled);
            }
        })) {
            GenerationTask task = observed.submit(GenerationRequest.of(ids(5, 0), greedy(100)));
            inSecondPass.await();
            task.cancel();
            cancelled.countDown();
        }
        assertEquals(LAYERS + 1, layers.get());
    }

    @Test
    void aDeadlineEndsARequestWhereverItIs() {
        Gate gate = new Gate(2);
        GenerationTask running = executor.submit(GenerationRequest.of(ids(5, 0), gate.options(100))
                .withTimeLimit(Duration.ofMillis(30)));
        gate.awaitReached();
        GenerationTask queued = executor.submit(GenerationRequest.of(ids(5, 1), greedy(3))
                .withTimeLimit(Duration.ofMillis(1)));
        pause(40);
        gate.open();
        assertInstanceOf(DeadlineExceededException.class, failure(running));
        assertInstanceOf(DeadlineExceededException.class, failure(queued));
        assertThrows(DeadlineExceededException.class, () -> running.iterator().forEachRemaining(token -> {}));
        assertEquals(3, executor.submit(GenerationRequest.of(ids(5, 1), greedy(3))
                .withTimeLimit(Duration.ofSeconds(Long.MAX_VALUE))).result().join().tokens().size());
    }

    @Test
    void whatACallersOwnRuleThrowsEndsItsRequestOnly() {
        IllegalStateException own = new IllegalStateException("the processor's own");
        Gate gate = new Gate(1);
        try (BatchingExecutor both = model.newBatchingExecutor(BatchingOptions.DEFAULT)) {
            GenerationTask sound = both.submit(GenerationRequest.of(ids(5, 0), gate.options(20)));
            GenerationTask failing = both.submit(GenerationRequest.of(ids(5, 1), GenerationOptions.builder()
                    .processors((tokens, logits) -> {
                        throw own;
                    }).build()));
            gate.open();
            assertSame(own, failure(failing));
            assertEquals(20, sound.result().join().tokens().size());
        }
    }

    @Test
    void whatCannotBeDoneIsRefusedAtOnce() {
        assertThrows(ContextFullException.class,
                () -> executor.submit(GenerationRequest.of(new int[CONTEXT + 1], greedy(1))));
        assertThrows(InvalidInputException.class, () -> executor.submit(GenerationRequest.of(
                new int[] {1, TinyModel.VOCABULARY}, greedy(1))));
        assertThrows(InvalidInputException.class, () -> executor.submit(GenerationRequest.of(new int[] {1},
                GenerationOptions.builder().forcedFirst(-1).build())));
        assertThrows(InvalidInputException.class, () -> GenerationRequest.of(new int[0], greedy(1)));
        assertThrows(InvalidInputException.class, () -> executor.submit("", greedy(1)));
        assertThrows(InvalidInputException.class, () -> new BatchingOptions(0, 1, 1));
    }

    @Test
    void aFullContextEndsTheTextAfterTheLastTokenThatFits() {
        for (int room : new int[] {0, 2, 3}) {
            GenerationTask task = executor.submit(GenerationRequest.of(ids(CONTEXT - room, 0), greedy(10)));
            List<Token> taken = task.stream().toList();
            assertEquals(room + 1, taken.size());
            assertEquals(new GenerationResult(taken, FinishReason.CONTEXT_FULL), task.result().join());
        }
        assertEquals(FinishReason.MAX_TOKENS, executor.submit(GenerationRequest.of(ids(CONTEXT - 2, 0), greedy(3)))
                .result().join().finishReason());
    }

    @Test
    void aPrefixThatASessionHoldsIsNotReadAgain() {
        AtomicInteger layers = new AtomicInteger();
        try (Session session = model.newSession();
                BatchingExecutor observed = new BatchingExecutor(model.loaded(), NARROW, layers::incrementAndGet)) {
            session.append(ids(130, 0));
            observed.submit(GenerationRequest.of(ids(140, 0), greedy(1))).result().join();
        }
        boolean invariant = model.loaded().backend().isBatchInvariant();
        assertEquals(LAYERS * (invariant ? 1 : Math.ceilDiv(140, NARROW.prefillRows())), layers.get());
    }

    @Test
    void closingWaitsForWhatWasTaken() {
        List<GenerationTask> tasks;
        try (BatchingExecutor closed = model.newBatchingExecutor(BatchingOptions.DEFAULT.withMaxBatch(2))) {
            tasks = IntStream.range(0, 8)
                    .mapToObj(i -> closed.submit(GenerationRequest.of(ids(5, i), greedy(20)))).toList();
        }
        for (GenerationTask task : tasks) {
            assertTrue(task.result().isDone());
            assertTrue(task.result().join().tokens().size() <= 20);
        }
    }

    @Test
    void closingNowCancelsWhatWasTaken() {
        Gate gate = new Gate(2);
        GenerationTask running = executor.submit(GenerationRequest.of(ids(5, 0), gate.options(100)));
        gate.awaitReached();
        GenerationTask queued = executor.submit(GenerationRequest.of(ids(5, 1), greedy(3)));
        Thread closing = Thread.ofVirtual().start(executor::closeNow);
        assertInstanceOf(CancelledException.class, failure(running));
        assertInstanceOf(CancelledException.class, failure(queued));
        gate.open();
        assertDoesNotThrow(closing);
        assertThrows(ClosedException.class, () -> executor.submit(GenerationRequest.of(ids(5, 1), greedy(3))));
        executor.close();
    }

    @Test
    void aClosedModelEndsItsRequests() {
        Gate gate = new Gate(2);
        Model other = Model.open(directory);
        try (BatchingExecutor orphan = other.newBatchingExecutor(NARROW)) {
            GenerationTask task = orphan.submit(GenerationRequest.of(ids(5, 0), gate.options(100)));
            gate.awaitReached();
            GenerationTask queued = orphan.submit(GenerationRequest.of(ids(5, 0), greedy(3)));
            Thread closing = Thread.ofVirtual().start(other::close);
            while (closing.getState() == Thread.State.RUNNABLE || closing.getState() == Thread.State.NEW) {
                Thread.onSpinWait();
            }
            gate.open();
            assertInstanceOf(ClosedException.class, failure(task));
            assertInstanceOf(ClosedException.class, failure(queued));
            assertDoesNotThrow(closing);
            assertThrows(ClosedException.class, () -> orphan.submit(GenerationRequest.of(ids(5, 1), greedy(3))));
        }
        assertEquals(0, other.loaded().cacheBytes());
        assertThrows(ClosedException.class, () -> other.newBatchingExecutor(NARROW));
    }

    @Test
    void aProcessorCannotWaitForItsOwnRequest() {
        GenerationTask task = executor.submit(GenerationRequest.of(ids(5, 0), GenerationOptions.builder()
                .processors((tokens, logits) -> executor.close()).build()));
        assertInstanceOf(ConcurrentUseException.class, failure(task));
        GenerationTask another = executor.submit(GenerationRequest.of(ids(5, 0), GenerationOptions.builder()
                .processors((tokens, logits) -> executor.submit(GenerationRequest.of(tokens, greedy(1)))).build()));
        assertInstanceOf(ConcurrentUseException.class, failure(another));
    }

    @Test
    void stagesThatDependOnAResultMayWait() {
        Gate gate = new Gate(1);
        GenerationTask first = executor.submit(GenerationRequest.of(ids(5, 0), gate.options(2)));
        var second = first.result().thenApply(result ->
                executor.submit(GenerationRequest.of(ids(5, 1), greedy(3))).result().join());
        gate.open();
        assertEquals(3, second.join().tokens().size());
    }

    @Test
    void theWaitInTheQueueIsAnEventOfTheFlightRecorder(@TempDir Path recordings) throws IOException {
        Path file = recordings.resolve("waits.jfr");
        try (Recording recording = new Recording()) {
            recording.enable("isthmus.QueueWait").withoutThreshold();
            recording.start();
            Gate gate = new Gate(1);
            GenerationTask running = executor.submit(GenerationRequest.of(ids(5, 0), gate.options(3)));
            gate.awaitReached();
            GenerationTask cancelled = executor.submit(GenerationRequest.of(ids(7, 1), greedy(3)));
            pause(20);
            cancelled.cancel();
            gate.open();
            running.result().join();
            executor.submit(GenerationRequest.of(ids(9, 1), greedy(3))).result().join();
            recording.dump(file);
        }
        Map<Integer, RecordedEvent> waits = RecordingFile.readAllEvents(file).stream()
                .filter(event -> event.getEventType().getName().equals("isthmus.QueueWait"))
                .collect(Collectors.toMap(event -> event.getInt("promptTokens"), event -> event));
        assertEquals(Set.of(5, 7, 9), waits.keySet());
        assertTrue(waits.get(5).getBoolean("admitted"));
        assertFalse(waits.get(7).getBoolean("admitted"));
        assertTrue(waits.get(7).getDuration().toMillis() >= 20);
    }

    private static void pause(long millis) {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private static void assertDoesNotThrow(Thread thread) {
        try {
            thread.join();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private static Throwable failure(GenerationTask task) {
        return assertThrows(CompletionException.class, () -> task.result().handle((result, failure) -> {
            throw new CompletionException(failure);
        }).join()).getCause();
    }

    private static GenerationOptions greedy(int maxTokens) {
        return GenerationOptions.builder().greedy().maxTokens(maxTokens).stopAtEndOfText(false).build();
    }

    private static int[] ids(int count, int seed) {
        return IntStream.range(0, count).map(i -> (31 * i * i + 7 * i + seed) % TinyModel.END_OF_TEXT).toArray();
    }
}
