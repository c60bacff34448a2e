package dev.isthmus.engine.api;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.errors.CancelledException;
import dev.isthmus.engine.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** An interrupt cancels what its thread is doing, leaves the thread interrupted and the session as it was. */
@Timeout(120)
@ParameterizedClass
@EnumSource(value = BackendChoice.class, names = {"CPU", "REFERENCE"})
class InterruptsTest {

    private static final int CONTEXT = 200;
    private static final int[] LONG_TEXT = new int[150];

    @Parameter
    BackendChoice backend;

    @TempDir
    static Path directory;

    private Model model;
    private Session session;
    private float[] logits;

    @BeforeEach
    void open() throws IOException {
        if (Files.notExists(directory.resolve("config.json"))) {
            TinyModel.write(directory, 6, CONTEXT, 42);
        }
        model = Model.open(directory, options());
        session = model.newSession();
        session.append(1, 2, 3);
        logits = session.logits();
    }

    private ModelOptions options() {
        return ModelOptions.DEFAULT.withBackend(backend).withThreads(2);
    }

    @AfterEach
    void close() {
        Thread.interrupted();
        session.close();
        model.close();
    }

    private static void assertCancelled(String what, Executable call) {
        Thread.currentThread().interrupt();
        assertThrows(CancelledException.class, call, what);
        assertTrue(Thread.interrupted(), what + ": the thread stays interrupted");
    }

    @Test
    void anInterruptedThreadComputesNothing() {
        Map<String, Executable> calls = new LinkedHashMap<>();
        calls.put("append", () -> session.append(LONG_TEXT));
        calls.put("append one", () -> session.append(4));
        calls.put("append text", () -> session.append("hello"));
        calls.put("visit", () -> session.append(LONG_TEXT, (position, row) -> {}));
        calls.put("observe", () -> session.append(LONG_TEXT, Capture.builder().hiddenStates().build()));
        calls.put("generate", () -> session.generate(GenerationOptions.DEFAULT).iterator().next());
        calls.put("stream", () -> session.generate(GenerationOptions.DEFAULT).stream().count());
        calls.put("beams", () -> session.beamSearch(GenerationOptions.DEFAULT, BeamOptions.of(2)).run());
        calls.put("best of", () -> session.bestOf(2, GenerationOptions.DEFAULT).run());
        calls.put("score", () -> model.score(new int[1000], 50));
        calls.put("embed", () -> model.embed(LONG_TEXT, Pooling.MEAN));
        calls.put("nearest", () -> model.embeddings().nearest(1, 3));
        calls.put("snapshot", () -> session.snapshot(directory.resolve("text.snapshot")));
        calls.forEach(InterruptsTest::assertCancelled);
        assertArrayEquals(new int[] {1, 2, 3}, session.tokens());
        assertArrayEquals(logits, session.logits());
    }

    @Test
    void anInterruptedThreadReadsNothing() {
        Path snapshot = directory.resolve("read.snapshot");
        session.snapshot(snapshot);
        assertCancelled("open", () -> Model.open(directory, options()));
        assertCancelled("tokenizer", () -> Tokenizer.open(directory));
        assertCancelled("config", () -> Gpt2Config.read(directory));
        assertCancelled("restore", () -> model.restoreSession(snapshot));
        try (Session restored = model.restoreSession(snapshot)) {
            assertArrayEquals(logits, restored.logits());
        }
    }

    @Test
    void aCancelledSnapshotLeavesNoFile() throws IOException {
        Path folder = Files.createTempDirectory(directory, "snapshots");
        assertCancelled("snapshot", () -> session.snapshot(folder.resolve("text.snapshot")));
        try (Stream<Path> files = Files.list(folder)) {
            assertEquals(List.of(), files.toList());
        }
    }

    /** A visitor interrupts its own thread after the first chunk of 64 rows has been computed. */
    @Test
    void anInterruptOnTheWayLeavesTheTextAsItWas() {
        assertThrows(CancelledException.class, () -> session.append(LONG_TEXT, (LogitsVisitor) (position, row) ->
                Thread.currentThread().interrupt()));
        assertTrue(Thread.interrupted());
        assertArrayEquals(new int[] {1, 2, 3}, session.tokens());
        assertArrayEquals(logits, session.logits());
        session.append(4);
        assertEquals(4, session.length());
    }

    @Test
    void anInterruptEndsAScoreBetweenWindows() {
        assertThrows(CancelledException.class, () -> model.score(new int[1000], 50, (done, total) ->
                Thread.currentThread().interrupt()));
        assertTrue(Thread.interrupted());
    }

    /** One word of a million letters, whose bytes and merges are worked at as one piece. */
    @ParameterizedTest
    @ValueSource(strings = {"x", "hel", "a "})
    void anInterruptEndsEncoding(String part) {
        String text = part.repeat(500_000);
        assertCancelled("encode " + part, () -> model.tokenizer().orElseThrow().encode(text));
    }

    /** Its thread computes for all callers, and is nobody's to interrupt. */
    @Test
    void aProcessorThatInterruptsItsThreadEndsNoRequest() {
        GenerationOptions options = GenerationOptions.builder().greedy().maxTokens(5).stopAtEndOfText(false)
                .processors((tokens, row) -> Thread.currentThread().interrupt()).build();
        try (BatchingExecutor executor = model.newBatchingExecutor(BatchingOptions.DEFAULT)) {
            GenerationTask task = executor.submit(GenerationRequest.of(new int[] {1, 2}, options));
            assertEquals(5, task.result().join().tokens().size());
        }
    }

    @Test
    void anInterruptedGenerationGoesOnWhereItWas() {
        GenerationOptions greedy = GenerationOptions.builder().greedy().maxTokens(6).stopAtEndOfText(false).build();
        List<Token> expected = session.generate(greedy).stream().toList();
        session.rewind(3);
        Generation generation = session.generate(greedy);
        var tokens = generation.iterator();
        assertEquals(expected.getFirst(), tokens.next());
        assertCancelled("generate", tokens::next);
        assertTrue(generation.finishReason().isEmpty());
        assertEquals(expected.get(1), tokens.next());
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void openingIsCancelledWhileWeightsAreRead(int threads) {
        Thread caller = Thread.currentThread();
        ModelOptions options = options().withThreads(threads).withLoadProgress((done, total) -> caller.interrupt());
        assertThrows(CancelledException.class, () -> Model.open(directory, options));
        assertTrue(Thread.interrupted());
    }

    @Test
    void whatAListenerThrowsOutlastsAnInterrupt() {
        ModelOptions options = options().withThreads(1).withLoadProgress((done, total) -> {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("the listener's own");
        });
        assertThrows(IllegalStateException.class, () -> Model.open(directory, options));
        assertTrue(Thread.interrupted());
    }

    @Test
    void interruptsAtManyMomentsBlameNothingElse() throws InterruptedException {
        for (int moment = 0; moment < 30; moment++) {
            long nanos = moment * 400_000L;
            outcome(nanos, () -> {
                Model.open(directory, options()).close();
            });
            outcome(nanos, () -> {
                session.append(LONG_TEXT);
                session.rewind(3);
            });
            assertEquals(3, session.length());
            outcome(nanos, () -> {
                session.snapshot(directory.resolve("moments.snapshot"));
            });
            outcome(nanos, () -> {
                model.score(new int[400], 50);
            });
        }
        assertFalse(Arrays.stream(directory.toFile().list()).anyMatch(name -> name.endsWith(".part")));
        session.rewind(2);
        session.append(3);
        assertArrayEquals(logits, session.logits(), 1e-4f);
    }

    /** Runs a call that is interrupted after a while: it succeeds or is cancelled. */
    private static void outcome(long nanos, Runnable call) throws InterruptedException {
        Throwable[] failure = new Throwable[1];
        boolean[] interrupted = new boolean[1];
        Thread thread = Thread.ofPlatform().start(() -> {
            try {
                call.run();
            } catch (Throwable thrown) {
                failure[0] = thrown;
                interrupted[0] = Thread.interrupted();
            }
        });
        LockSupport.parkNanos(nanos);
        thread.interrupt();
        thread.join();
        if (failure[0] != null) {
            if (!(failure[0] instanceof CancelledException)) {
                throw new AssertionError("expected a cancelled call", failure[0]);
            }
            assertTrue(interrupted[0], "the thread stays interrupted");
        }
    }
}
