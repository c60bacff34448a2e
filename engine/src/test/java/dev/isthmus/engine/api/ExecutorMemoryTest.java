package dev.isthmus.engine.api;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.isthmus.engine.errors.ClosedException;
import dev.isthmus.engine.errors.OutOfMemoryException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Requests that have less memory for their keys and values than all of them together need. */
@Timeout(120)
class ExecutorMemoryTest {

    private static final GenerationOptions OPTIONS = GenerationOptions.builder().maxTokens(30).stopAtEndOfText(false)
            .build();

    @TempDir
    static Path directory;

    /** The bytes of 64 positions. */
    private static final Map<BackendChoice, Long> BLOCK_BYTES = new EnumMap<>(BackendChoice.class);

    @BeforeAll
    static void write() throws IOException {
        TinyModel.write(directory, 200, 42);
        for (BackendChoice backend : List.of(BackendChoice.CPU, BackendChoice.REFERENCE)) {
            try (Model model = Model.open(directory, options(backend)); Session session = model.newSession()) {
                session.append(1);
                BLOCK_BYTES.put(backend, model.loaded().cacheBytes());
            }
        }
    }

    private static ModelOptions options(BackendChoice backend) {
        return ModelOptions.DEFAULT.withThreads(2).withBackend(backend);
    }

    private static Model open(BackendChoice backend, int blocks) {
        return Model.open(directory, options(backend).withCacheLimit(blocks * BLOCK_BYTES.get(backend)));
    }

    /** A request that takes two blocks, the second only after some tokens. */
    private static GenerationRequest request(int i) {
        return GenerationRequest.of(prompt(i), OPTIONS.toBuilder().seed(i).temperature(i % 3).build());
    }

    private static int[] prompt(int i) {
        return IntStream.range(0, 40 + i % 20).map(t -> t == 0 ? i : (7 * t + i) % TinyModel.END_OF_TEXT).toArray();
    }

    private static GenerationResult alone(Model model, GenerationRequest request) {
        try (Session session = model.newSession()) {
            session.append(request.prompt().stream().mapToInt(Integer::intValue).toArray());
            Generation generation = session.generate(request.options());
            List<Token> tokens = generation.stream().toList();
            return new GenerationResult(tokens, generation.finishReason().orElseThrow());
        }
    }

    private static void assertAsAlone(Model model, List<GenerationTask> tasks) {
        List<GenerationResult> found = tasks.stream().map(task -> task.result().join()).toList();
        assumeTrue(model.loaded().backend().isBatchInvariant(), "NOT TESTED: the bits, which depend on the batch with "
                + model.backend());
        for (int i = 0; i < found.size(); i++) {
            assertEquals(alone(model, request(i)), found.get(i), "request " + i);
        }
    }

    @ParameterizedTest
    @EnumSource(value = BackendChoice.class, names = {"CPU", "REFERENCE"})
    void allRequestsFinishWithMemoryForTenOfThem(BackendChoice backend) {
        try (Model model = open(backend, 20);
                BatchingExecutor executor = model.newBatchingExecutor(new BatchingOptions(32, 64, 64))) {
            List<GenerationTask> tasks = IntStream.range(0, 64)
                    .mapToObj(i -> executor.submit(request(i))).toList();
            tasks.forEach(task -> task.result().join());
            assertEquals(0, executor.preemptions(), "only so many are admitted as there is memory for");
            assertAsAlone(model, tasks);
        }
    }

    @ParameterizedTest
    @EnumSource(value = BackendChoice.class, names = {"CPU", "REFERENCE"})
    void preemptedRequestsReadTheirTextAgain(BackendChoice backend) {
        List<Session> sessions = new ArrayList<>();
        CountDownLatch reached = new CountDownLatch(1);
        CountDownLatch opened = new CountDownLatch(1);
        try (Model model = open(backend, 12);
                BatchingExecutor executor = model.newBatchingExecutor(new BatchingOptions(8, 8, 512))) {
            List<GenerationTask> tasks = new ArrayList<>();
            for (int i = 0; i < 5; i++) {
                GenerationOptions options = request(i).options();
                tasks.add(executor.submit(GenerationRequest.of(prompt(i), i < 4 ? options : options.toBuilder()
                        .processors((tokens, logits) -> {
                            reached.countDown();
                            Gate.await(opened);
                        }).build())));
            }
            Gate.await(reached);
            assertThrows(OutOfMemoryException.class, () -> {
                while (true) {
                    Session session = model.newSession();
                    sessions.add(session);
                    session.append(100, sessions.size());
                }
            });
            opened.countDown();
            tasks.forEach(task -> task.result().join());
            assertTrue(executor.preemptions() > 0, "some gave up their memory");
            sessions.forEach(Session::close);
            assertAsAlone(model, tasks);
        }
    }

    @Test
    @SuppressWarnings("try") // The test closes the executor itself, to see what it refuses afterwards.
    void aRequestThatNeverFitsFailsAtOnce() {
        try (Model model = open(BackendChoice.CPU, 2);
                BatchingExecutor executor = model.newBatchingExecutor(BatchingOptions.DEFAULT)) {
            Gate gate = new Gate(1);
            GenerationTask running = executor.submit(GenerationRequest.of(new int[] {1}, gate.options(2)));
            gate.awaitReached();
            for (GenerationRequest large : List.of(GenerationRequest.of(new int[129], OPTIONS),
                    GenerationRequest.of(new int[100], OPTIONS))) {
                CompletionException failed = assertThrows(CompletionException.class,
                        () -> executor.submit(large).result().join());
                OutOfMemoryException typed = assertInstanceOf(OutOfMemoryException.class, failed.getCause());
                assertTrue(typed.getMessage().contains(2 * BLOCK_BYTES.get(BackendChoice.CPU) + " bytes"),
                        typed.getMessage());
            }
            gate.open();
            assertEquals(2, running.result().join().tokens().size());
        }
    }

    @Test
    void aClosedExecutorRefusesWhatNeverFits() {
        try (Model model = open(BackendChoice.CPU, 2)) {
            BatchingExecutor executor = model.newBatchingExecutor(BatchingOptions.DEFAULT);
            executor.close();
            assertThrows(ClosedException.class,
                    () -> executor.submit(GenerationRequest.of(new int[100], OPTIONS)));
        }
    }

    @Test
    void aRequestThatMayEndEarlyIsTried() {
        try (Model model = open(BackendChoice.CPU, 1);
                BatchingExecutor executor = model.newBatchingExecutor(BatchingOptions.DEFAULT)) {
            GenerationOptions many = GenerationOptions.builder().maxTokens(150).forcedFirst(TinyModel.END_OF_TEXT)
                    .build();
            assertEquals(FinishReason.END_OF_TEXT,
                    executor.submit(GenerationRequest.of(new int[60], many)).result().join().finishReason());
        }
    }

    @Test
    void aRequestWithoutMemoryBecauseOfSessionsFails() {
        try (Model model = open(BackendChoice.CPU, 2); Session session = model.newSession();
                BatchingExecutor executor = model.newBatchingExecutor(BatchingOptions.DEFAULT)) {
            session.append(new int[65]);
            List<GenerationTask> tasks = IntStream.range(0, 3).mapToObj(i -> executor.submit(request(i))).toList();
            for (GenerationTask task : tasks) {
                CompletionException failed = assertThrows(CompletionException.class, () -> task.result().join());
                assertInstanceOf(OutOfMemoryException.class, failed.getCause());
            }
            session.rewind(0);
        }
    }

    @Test
    void theBestOfSeveralNeedsMemoryForOne() {
        List<List<Integer>> expected;
        try (Model model = open(BackendChoice.CPU, 100); Session session = model.newSession()) {
            session.append(new int[40]);
            expected = session.bestOf(6, OPTIONS).run().stream().map(Completion::ids).toList();
        }
        try (Model model = open(BackendChoice.CPU, 3); Session session = model.newSession()) {
            session.append(new int[40]);
            assertEquals(expected, session.bestOf(6, OPTIONS).run().stream().map(Completion::ids).toList());
        }
    }
}
