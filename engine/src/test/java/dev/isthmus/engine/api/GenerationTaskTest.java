package dev.isthmus.engine.api;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.errors.CancelledException;
import dev.isthmus.engine.errors.DeadlineExceededException;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** How a request to a batching executor ends. */
@Timeout(60)
class GenerationTaskTest {

    private static final int MAX_TOKENS = 150;

    @TempDir
    static Path directory;

    private static Model model;
    private final AtomicInteger generated = new AtomicInteger();
    private final CountDownLatch begun = new CountDownLatch(1);
    private BatchingExecutor executor;

    @BeforeAll
    static void open() throws IOException {
        model = Model.open(TinyModel.write(directory, 200, 42), ModelOptions.DEFAULT.withThreads(1));
    }

    @AfterAll
    static void close() {
        model.close();
    }

    @BeforeEach
    void begin() {
        executor = model.newBatchingExecutor(new BatchingOptions(1, 4, 16));
    }

    @AfterEach
    void end() {
        executor.closeNow();
    }

    /** A request whose tokens are counted; the first comes once {@link #begun} says so. */
    private GenerationTask counted() {
        return executor.submit(GenerationRequest.of(new int[] {1, 2}, GenerationOptions.builder().maxTokens(MAX_TOKENS)
                .stopAtEndOfText(false).processors((tokens, logits) -> {
                    Gate.await(begun);
                    generated.incrementAndGet();
                }).build()));
    }

    private Iterator<Token> begin(GenerationTask task) {
        Iterator<Token> tokens = task.iterator();
        begun.countDown();
        return tokens;
    }

    private GenerationResult another() {
        return executor.submit(GenerationRequest.of(new int[] {3}, GenerationOptions.builder().maxTokens(20)
                .stopAtEndOfText(false).build())).result().join();
    }

    @Test
    void leavingTheLoopEndsTheWork() {
        GenerationTask task = counted();
        int taken = 0;
        for (Token token : (Iterable<Token>) () -> begin(task)) {
            taken += token.id() >= 0 ? 1 : 0;
            if (taken == 3) {
                break;
            }
        }
        assertEquals(20, another().tokens().size(), "its place in the batch is another's");
        assertTrue(generated.get() < 20, generated + " tokens were generated");
        executor.close();
        assertEquals(Optional.of(FinishReason.CANCELLED), task.finishReason());
        assertTrue(generated.get() < 20, generated + " tokens were generated");
    }

    @Test
    void aStreamCutShortEndsTheWork() {
        Stream<Token> tokens = counted().stream();
        begun.countDown();
        assertEquals(2, tokens.limit(2).count());
        executor.close();
        assertTrue(generated.get() < 20, generated + " tokens were generated");
    }

    @Test
    void aRequestWhoseIteratorIsGarbageIsCancelled() throws InterruptedException {
        GenerationTask task = counted();
        begin(task).next();
        while (task.finishReason().isEmpty()) {
            System.gc();
            Thread.sleep(10);
        }
        GenerationResult result = task.result().join();
        assertEquals(FinishReason.CANCELLED, result.finishReason());
        assertTrue(result.tokens().size() < 20);
    }

    @Test
    void whoAsksForTheResultGetsAllOfIt() {
        GenerationTask task = counted();
        Iterator<Token> tokens = begin(task);
        tokens.next();
        assertEquals(MAX_TOKENS, task.result().join().tokens().size());
        tokens.forEachRemaining(token -> {});
        assertEquals(Optional.of(FinishReason.MAX_TOKENS), task.finishReason());
    }

    @Test
    void closingLeavesLoopsOfOtherThreadsAlone() throws InterruptedException {
        List<Token> taken = new ArrayList<>();
        GenerationTask task = counted();
        begun.countDown();
        Thread reader = Thread.ofPlatform().start(() -> {
            for (Token token : task) {
                taken.add(token);
            }
        });
        executor.close();
        reader.join();
        assertEquals(MAX_TOKENS, taken.size());
    }

    @Test
    void aCancelledRequestHasTheTextSoFar() {
        Gate gate = new Gate(4);
        GenerationTask task = executor.submit(GenerationRequest.of(new int[] {1}, gate.options(50)));
        gate.awaitReached();
        task.cancel();
        GenerationResult result = task.result().join();
        assertEquals(FinishReason.CANCELLED, result.finishReason());
        assertEquals(3, result.tokens().size());
        assertEquals(result.tokens(), task.stream().toList(), "the loop ends as that of a generation");
        gate.open();
        assertEquals(20, another().tokens().size());
    }

    @Test
    void aStageOfARequestThatAProcessorCancelsMayWait() throws Exception {
        GenerationOptions options = GenerationOptions.builder().maxTokens(3).stopAtEndOfText(false).build();
        AtomicReference<GenerationTask> cancelled = new AtomicReference<>();
        GenerationTask cancelling = executor.submit(GenerationRequest.of(new int[] {1}, options.toBuilder()
                .processors((tokens, logits) -> {
                    Gate.await(begun);
                    cancelled.get().cancel();
                }).build()));
        cancelled.set(executor.submit(GenerationRequest.of(new int[] {2}, options)));
        CompletableFuture<GenerationResult> stage = cancelled.get().result()
                .thenApply(result -> cancelling.result().join());
        begun.countDown();
        assertEquals(FinishReason.MAX_TOKENS, stage.get(30, TimeUnit.SECONDS).finishReason());
    }

    @Test
    void anInterruptedLoopThrowsAndEndsTheRequest() {
        Gate gate = new Gate(2);
        GenerationTask task = executor.submit(GenerationRequest.of(new int[] {1}, gate.options(50)));
        Iterator<Token> tokens = task.iterator();
        tokens.next();
        Thread.currentThread().interrupt();
        assertThrows(CancelledException.class, tokens::hasNext);
        assertTrue(Thread.interrupted());
        assertEquals(FinishReason.CANCELLED, task.result().join().finishReason());
        gate.open();
    }

    @Test
    void aDeadlineIsKeptWhileAnothersProcessorWaits() {
        Gate gate = new Gate(1);
        GenerationTask waiting = executor.submit(GenerationRequest.of(new int[] {1}, gate.options(2)));
        gate.awaitReached();
        GenerationTask queued = executor.submit(GenerationRequest.of(new int[] {1}, gate.options(2))
                .withTimeLimit(Duration.ofMillis(20)));
        CompletionException late = assertThrows(CompletionException.class, () -> queued.result().join());
        assertInstanceOf(DeadlineExceededException.class, late.getCause());
        assertThrows(DeadlineExceededException.class, () -> queued.forEach(token -> {}));
        assertFalse(waiting.result().isDone());
        gate.open();
        assertEquals(2, waiting.result().join().tokens().size());
    }

    @Test
    void aDeadlineEndsARequestWhoseOwnProcessorWaits() {
        Gate gate = new Gate(2);
        GenerationTask task = executor.submit(GenerationRequest.of(new int[] {1}, gate.options(2))
                .withTimeLimit(Duration.ofMillis(200)));
        gate.awaitReached();
        CompletionException late = assertThrows(CompletionException.class, () -> task.result().join());
        assertInstanceOf(DeadlineExceededException.class, late.getCause());
        gate.open();
    }
}
