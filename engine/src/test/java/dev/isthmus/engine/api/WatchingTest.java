package dev.isthmus.engine.api;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.ChildJvm;
import dev.isthmus.engine.errors.ContextFullException;
import dev.isthmus.engine.session.MetricsRecorder;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BrokenBarrierException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import jdk.jfr.FlightRecorder;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What an operator sees of models at work: metrics, flight recordings, the progress of loading. */
class WatchingTest {

    private static final GenerationOptions FIVE =
            GenerationOptions.builder().greedy().maxTokens(5).stopAtEndOfText(false).build();

    @TempDir
    static Path directory;

    @BeforeAll
    static void write() throws IOException {
        TinyModel.write(directory);
    }

    /** The first of the five comes from the prompt's own pass, and the last is never read. */
    private static void readThreeAndGenerateFive(Session session) {
        session.append(1, 2, 3);
        session.generate(FIVE).forEach(token -> {});
    }

    @Test
    void metricsTellPrefillFromDecoding() {
        try (Model model = Model.open(directory); Session session = model.newSession()) {
            assertEquals(0, session.metrics().prefillTokensPerSecond());
            readThreeAndGenerateFive(session);
            Metrics metrics = session.metrics();
            assertEquals(3, metrics.prefillTokens());
            assertEquals(4, metrics.decodeTokens());
            assertEquals(3e9 / metrics.prefillTime().toNanos(), metrics.prefillTokensPerSecond(), 1e-3);
            assertEquals(4e9 / metrics.decodeTime().toNanos(), metrics.decodeTokensPerSecond(), 1e-3);
        }
    }

    /** Passes that wait for each other run at the same time for sure. */
    @Test
    void timesOfConcurrentPassesDoNotAddUp() throws Exception {
        int callers = 4;
        CyclicBarrier together = new CyclicBarrier(callers);
        ForwardObserver slow = new ForwardObserver() {
            @Override
            public void hiddenState(int boundary, int position, double[] values) {
                try {
                    together.await();
                    Thread.sleep(10);
                } catch (InterruptedException | BrokenBarrierException e) {
                    throw new IllegalStateException(e);
                }
            }
        };
        try (Model model = Model.open(directory); ExecutorService threads = Executors.newFixedThreadPool(callers)) {
            long begun = System.nanoTime();
            List<Future<Duration>> times = new ArrayList<>();
            for (int i = 0; i < callers; i++) {
                int id = i;
                times.add(threads.submit(() -> {
                    try (Session session = model.newSession()) {
                        session.append(new int[] {id, 2, 3}, slow);
                        return session.metrics().prefillTime();
                    }
                }));
            }
            for (Future<Duration> time : times) {
                assertTrue(time.get().toMillis() >= 120, "four boundaries of three positions");
            }
            double wallSeconds = (System.nanoTime() - begun) / 1e9;
            assertTrue(model.metrics().prefillTime().toMillis() >= 120);
            assertTrue(model.metrics().prefillTokensPerSecond() >= 3 * callers / wallSeconds,
                    model.metrics() + " in " + wallSeconds + " s");
        }
    }

    @Test
    void aModelsMetricsAreThoseOfAllItsSessions() {
        try (Model model = Model.open(directory)) {
            assertEquals(new Metrics(0, Duration.ZERO, 0, Duration.ZERO, 0, 0, 0), model.metrics());
            Session first = model.newSession();
            Session second = model.newSession();
            first.append(1, 2, 3);
            second.append(4);
            second.append(5);
            assertEquals(4, model.metrics().prefillTokens());
            assertEquals(1, model.metrics().decodeTokens());
            assertEquals(2, model.metrics().sessions());
            long bytes = first.metrics().cacheBytes();
            assertTrue(bytes > 0);
            assertEquals(bytes + second.metrics().cacheBytes(), model.metrics().cacheBytes());
            first.close();
            first.close();
            assertEquals(1, model.metrics().sessions());
            assertEquals(0, first.metrics().sessions());
            assertEquals(second.metrics().cacheBytes(), model.metrics().cacheBytes());
            second.close();
            assertEquals(0, model.metrics().cacheBytes());
            assertEquals(4, model.metrics().prefillTokens(), "what was done stays counted");
        }
    }

    /** The batch has one place, and the request in it does not go on before the others are counted. */
    @Test
    void requestsThatWaitAreCountedAndThoseThatRunAreTimed() throws InterruptedException {
        CountDownLatch begun = new CountDownLatch(1);
        CountDownLatch counted = new CountDownLatch(1);
        GenerationOptions slow = FIVE.toBuilder().processors((tokens, logits) -> {
            begun.countDown();
            try {
                counted.await();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }).build();
        try (Model model = Model.open(directory)) {
            try (BatchingExecutor executor = model.newBatchingExecutor(BatchingOptions.DEFAULT.withMaxBatch(1))) {
                executor.submit(GenerationRequest.of(new int[] {1, 2, 3}, slow));
                begun.await();
                try {
                    executor.submit(GenerationRequest.of(new int[] {1, 2, 4}, FIVE));
                    executor.submit(GenerationRequest.of(new int[] {1, 2, 5}, FIVE));
                    assertEquals(2, model.metrics().queueLength());
                } finally {
                    counted.countDown();
                }
            }
            Metrics metrics = model.metrics();
            assertEquals(new Metrics(9, metrics.prefillTime(), 12, metrics.decodeTime(), 0, 0, 0, 0, 0,
                    metrics.scratchBytes()), metrics);
        }
    }

    @Test
    void aFailedPassIsNotCounted() {
        try (Model model = Model.open(directory); Session session = model.newSession()) {
            assertThrows(ContextFullException.class, () -> session.append(new int[TinyModel.CONTEXT + 1]));
            assertEquals(0, session.metrics().prefillTokens());
        }
    }

    @Test
    void aRecordingHasTheModelsOpeningAndItsPasses() throws IOException {
        Path file = directory.resolve("recording.jfr");
        try (Recording recording = new Recording()) {
            recording.start();
            try (Model model = Model.open(directory); Session session = model.newSession()) {
                readThreeAndGenerateFive(session);
            }
            recording.dump(file);
        }
        List<RecordedEvent> events = RecordingFile.readAllEvents(file);
        RecordedEvent open = ofType(events, "isthmus.ModelOpen").getFirst();
        assertEquals(directory.toString(), open.getString("path"));
        int c = TinyModel.CHANNELS;
        // V C + P C + 2 (12 C² + 13 C) + 2 C parameters, four bytes each.
        assertEquals((259 * c + 40 * c + 2 * (12 * c * c + 13 * c) + 2 * c) * 4L, open.getLong("bytes"));
        assertEquals("F32", open.getString("weightType"));
        assertEquals(List.of(2, c, 259),
                List.of(open.getInt("layers"), open.getInt("channels"), open.getInt("vocabulary")));
        assertTrue(open.getString("backend").startsWith("cpu"));
        RecordedEvent prefill = ofType(events, "isthmus.Prefill").getFirst();
        assertEquals(List.of(3, 0, 1, 3L), List.of(prefill.getInt("tokens"), prefill.getInt("decodeTokens"),
                prefill.getInt("sequences"), prefill.getLong("positions")));
        assertTrue(prefill.getDuration().toNanos() > 0);
        List<RecordedEvent> steps = ofType(events, "isthmus.DecodeStep");
        assertEquals(List.of(4L, 5L, 6L, 7L), steps.stream().map(step -> step.getLong("positions")).toList());
        assertTrue(steps.stream().allMatch(step -> step.getInt("sequences") == 1));
        assertTrue(events.stream().filter(event -> event.getEventType().getName().startsWith("isthmus."))
                .allMatch(event -> event.getStackTrace() == null));
    }

    private static List<RecordedEvent> ofType(List<RecordedEvent> events, String name) {
        return events.stream().filter(event -> event.getEventType().getName().equals(name)).toList();
    }

    /** To load an event's class starts the flight recorder, which takes longer than a small model's whole answer. */
    @Test
    void withoutARecordingTheFlightRecorderIsNotStarted() throws Exception {
        Process process = ChildJvm.of(List.of("-Xlog:class+load:stdout:tags"), WithoutRecording.class.getName(),
                List.of(directory.toString())).start();
        String log = new String(process.getInputStream().readAllBytes());
        assertEquals(0, process.waitFor(), log);
        assertTrue(log.contains(MetricsRecorder.class.getName() + " "), "the log has the classes that were loaded");
        for (String event : List.of("ModelOpenEvent", "PrefillEvent", "DecodeStepEvent")) {
            String name = Class.forName(MetricsRecorder.class.getPackageName() + "." + event).getName();
            assertFalse(log.contains(name + " "), name + " was loaded");
        }
    }

    /** Opens a model and generates. */
    static final class WithoutRecording {
        public static void main(String[] arguments) {
            try (Model model = Model.open(Path.of(arguments[0])); Session session = model.newSession()) {
                readThreeAndGenerateFive(session);
            }
            if (FlightRecorder.isInitialized()) {
                throw new AssertionError("the flight recorder was started");
            }
        }
    }

    @Test
    void theProgressOfLoadingGoesUpToAllBytes() {
        List<Long> done = new ArrayList<>();
        long[] all = {0};
        Model.open(directory, ModelOptions.DEFAULT.withThreads(3).withLoadProgress((bytes, total) -> {
            done.add(bytes);
            all[0] = total;
        })).close();
        assertEquals(done.stream().sorted().distinct().toList(), done);
        assertEquals(all[0], done.getLast());
        assertTrue(done.size() > 1);
    }

    @Test
    void aListenerThatThrowsEndsTheLoading() {
        ModelOptions options = ModelOptions.DEFAULT.withLoadProgress((bytes, total) -> {
            throw new IllegalStateException("enough");
        });
        assertEquals("enough", assertThrows(IllegalStateException.class, () -> Model.open(directory, options))
                .getMessage());
    }
}
