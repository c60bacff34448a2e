package dev.isthmus.engine.api;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.ChildJvm;
import dev.isthmus.engine.errors.BackendException;
import dev.isthmus.engine.errors.OutOfMemoryException;
import dev.isthmus.engine.scheduler.SchedulerStep;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Every request ends, whatever is thrown on the thread that computes. */
@Timeout(120)
class ExecutorFaultsTest {

    private static final int REQUESTS = 4;
    private static final GenerationOptions OPTIONS = GenerationOptions.builder().greedy().maxTokens(4)
            .stopAtEndOfText(false).build();
    private static final BatchingOptions NARROW = new BatchingOptions(2, 8, 16);

    @TempDir
    static Path directory;

    private static Model model;
    private static List<GenerationResult> expected;

    @BeforeAll
    static void open() throws IOException {
        model = Model.open(TinyModel.write(directory), ModelOptions.DEFAULT.withThreads(1));
        try (BatchingExecutor executor = model.newBatchingExecutor(NARROW)) {
            expected = submit(executor).stream().map(task -> task.result().join()).toList();
        }
    }

    @AfterAll
    static void close() {
        model.close();
    }

    private static List<GenerationTask> submit(BatchingExecutor executor) {
        List<GenerationTask> tasks = new ArrayList<>();
        IntStream.range(0, REQUESTS).forEach(i -> tasks.add(executor.submit(
                GenerationRequest.of(IntStream.range(i, 8 * i + 3).toArray(), OPTIONS))));
        return tasks;
    }

    /** Throws at the n-th time that a step is passed, for each n until it is passed less often. */
    @ParameterizedTest
    @EnumSource
    void everyRequestEndsWhenMemoryLacksOnce(SchedulerStep step) throws Exception {
        boolean thrown = true;
        for (int n = 1; thrown; n++) {
            AtomicInteger calls = new AtomicInteger();
            AtomicBoolean armed = new AtomicBoolean(true);
            int fatal = n;
            try (BatchingExecutor executor = new BatchingExecutor(model.loaded(), NARROW, passed -> {
                if (passed == step && armed.get() && calls.incrementAndGet() == fatal) {
                    throw new OutOfMemoryError("injected at " + step + " " + fatal);
                }
            })) {
                List<GenerationTask> tasks = submit(executor);
                for (int i = 0; i < REQUESTS; i++) {
                    assertRightOr(OutOfMemoryException.class, i, tasks.get(i));
                }
                armed.set(false);
                assertWorks(executor);
            }
            thrown = calls.get() >= fatal;
            assertEquals(0, model.loaded().cacheBytes());
        }
    }

    @ParameterizedTest
    @EnumSource
    void anUnforeseenErrorLeavesTheExecutorAtWork(SchedulerStep step) throws Exception {
        AtomicInteger calls = new AtomicInteger();
        try (BatchingExecutor executor = new BatchingExecutor(model.loaded(), NARROW, passed -> {
            if (passed == step && calls.incrementAndGet() == 2) {
                throw new AssertionError("injected at " + step);
            }
        })) {
            List<GenerationTask> tasks = submit(executor);
            for (int i = 0; i < REQUESTS; i++) {
                assertRightOr(BackendException.class, i, tasks.get(i));
            }
            assertWorks(executor);
        }
    }

    /** But for removing those that have ended, for which no memory is needed. */
    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "REMOVE")
    void memoryThatLacksForEverEndsAllRequests(SchedulerStep step) throws Exception {
        BatchingExecutor executor = new BatchingExecutor(model.loaded(), NARROW, passed -> {
            if (passed == step) {
                throw new OutOfMemoryError("injected at " + step);
            }
        });
        for (GenerationTask task : submit(executor)) {
            assertInstanceOf(OutOfMemoryException.class, failure(task));
        }
        executor.closeNow();
    }

    @Test
    void aProcessorWithoutMemoryEndsItsRequestOnly() throws Exception {
        try (BatchingExecutor executor = model.newBatchingExecutor(NARROW)) {
            GenerationTask failing = executor.submit(GenerationRequest.of(new int[] {1}, OPTIONS.toBuilder()
                    .processors((tokens, logits) -> {
                        throw new OutOfMemoryError("injected");
                    }).build()));
            List<GenerationTask> tasks = submit(executor);
            assertInstanceOf(OutOfMemoryException.class, failure(failing));
            for (int i = 0; i < REQUESTS; i++) {
                assertEquals(expected.get(i), tasks.get(i).result().get(30, TimeUnit.SECONDS));
            }
        }
    }

    @Test
    void aStageWithoutMemoryLeavesTheExecutorAtWork() throws Exception {
        try (BatchingExecutor executor = model.newBatchingExecutor(NARROW)) {
            List<GenerationTask> tasks = submit(executor);
            tasks.getFirst().result().thenAccept(result -> {
                throw new OutOfMemoryError("injected");
            });
            tasks.getFirst().result().get(30, TimeUnit.SECONDS);
            assertWorks(executor);
        }
    }

    @Test
    void requestsEndThoughTheHeapIsFullForAWhile() throws Exception {
        Process process = ChildJvm.of(List.of("-Xmx32m", "-XX:+UseSerialGC"), FullHeap.class.getName(),
                List.of(directory.toString())).start();
        String output = new String(process.getInputStream().readAllBytes());
        assertEquals(0, process.waitFor(), output);
        assertTrue(output.contains("closed"), output);
    }

    /** A lambda or a class that cannot be linked or initialized then could not be used for ever. */
    @Test
    void theFirstSubmitMayMeetAFullHeap() throws Exception {
        Process process = ChildJvm.of(List.of("-Xmx32m", "-XX:+UseSerialGC"), FullHeapAtFirst.class.getName(),
                List.of(directory.toString())).start();
        String output = new String(process.getInputStream().readAllBytes());
        assertEquals(0, process.waitFor(), output);
        assertTrue(output.contains("MAX_TOKENS"), output);
    }

    /** As try-with-resources does where closing fails with the error that is thrown already. */
    @Test
    void anErrorThatSuppressesItselfIsLackOfMemory() throws Exception {
        AtomicBoolean armed = new AtomicBoolean(true);
        try (BatchingExecutor executor = new BatchingExecutor(model.loaded(), NARROW, passed -> {
            if (passed == SchedulerStep.LAYER && armed.get()) {
                OutOfMemoryError full = new OutOfMemoryError("injected");
                full.addSuppressed(full);
            }
        })) {
            assertInstanceOf(OutOfMemoryException.class, failure(submit(executor).getFirst()));
            armed.set(false);
            assertWorks(executor);
        }
    }

    @Test
    void theLargestOptionsAreComputedToo() throws Exception {
        BatchingOptions largest = new BatchingOptions(Integer.MAX_VALUE, Integer.MAX_VALUE, Integer.MAX_VALUE);
        try (BatchingExecutor executor = model.newBatchingExecutor(largest)) {
            assertWorks(executor);
        }
    }

    private static void assertWorks(BatchingExecutor executor) throws Exception {
        List<GenerationTask> tasks = submit(executor);
        for (int i = 0; i < REQUESTS; i++) {
            assertEquals(expected.get(i), tasks.get(i).result().get(30, TimeUnit.SECONDS));
        }
    }

    private static void assertRightOr(Class<? extends Throwable> failure, int i, GenerationTask task) throws Exception {
        try {
            assertEquals(expected.get(i), task.result().get(30, TimeUnit.SECONDS));
        } catch (ExecutionException failed) {
            assertInstanceOf(failure, failed.getCause());
        }
    }

    private static Throwable failure(GenerationTask task) throws Exception {
        try {
            throw new AssertionError("it succeeded: " + task.result().get(30, TimeUnit.SECONDS));
        } catch (ExecutionException failed) {
            return failed.getCause();
        }
    }
}
