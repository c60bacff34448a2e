package dev.isthmus.engine.api;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.errors.ClosedException;
import dev.isthmus.engine.errors.ConcurrentUseException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Flow;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The same tokens in each of the ways to receive them, and the rules that a publisher keeps. */
@Timeout(60)
class GenerationStreamsTest {

    private static final GenerationOptions OPTIONS = GenerationOptions.builder().temperature(2).maxTokens(6)
            .stopAtEndOfText(false).build();

    /** Runs tasks at once, on the caller's thread. */
    private static final Executor DIRECT = Runnable::run;

    @TempDir
    static Path directory;

    private static Model model;
    private Session session;
    private List<Token> expected;

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
        expected = new ArrayList<>();
        session.generate(OPTIONS).forEach(expected::add);
        session.rewind(3);
    }

    @AfterEach
    void end() {
        session.close();
    }

    @Test
    void aStreamComputesWhatIsPulledFromIt() {
        assertEquals(expected, session.generate(OPTIONS).stream().toList());
        session.rewind(3);
        Generation generation = session.generate(OPTIONS);
        try (Stream<Token> tokens = generation.stream()) {
            assertEquals(expected.subList(0, 2), tokens.limit(2).toList());
        }
        assertEquals(5, session.length(), "three of the prompt and two that were pulled");
        assertThrows(ConcurrentUseException.class, generation::stream);
    }

    @Test
    void closingAStreamCancels() {
        Generation generation = session.generate(OPTIONS);
        Stream<Token> tokens = generation.stream();
        tokens.close();
        assertThrows(ConcurrentUseException.class, generation::iterator);
        assertEquals(3, session.length());
    }

    @Test
    void aCallbackGetsAllTokensAndTheFutureWhyItEnded() throws Exception {
        try (ExecutorService executor = Executors.newSingleThreadExecutor()) {
            List<Token> tokens = new ArrayList<>();
            assertEquals(FinishReason.MAX_TOKENS,
                    session.generate(OPTIONS).forEachAsync(tokens::add, executor).get());
            assertEquals(expected, tokens);
        }
    }

    @Test
    void whatEndsAGenerationCompletesTheFuture() {
        CompletableFuture<FinishReason> broken = session.generate(OPTIONS).forEachAsync(token -> {
            throw new IllegalStateException("the callback's own");
        }, DIRECT);
        assertInstanceOf(IllegalStateException.class, assertThrows(ExecutionException.class, broken::get).getCause());
        session.rewind(3);
        CompletableFuture<FinishReason> closed = session.generate(OPTIONS)
                .forEachAsync(token -> onAnotherThread(session::close), DIRECT);
        assertInstanceOf(ClosedException.class, assertThrows(ExecutionException.class, closed::get).getCause());
    }

    @Test
    void aFullContextEndsEachWayOfReceiving() throws Exception {
        session.append(new int[TinyModel.CONTEXT - 3]);
        try (Session streamed = session.fork()) {
            assertEquals(1, streamed.generate(OPTIONS).stream().count());
        }
        try (Session published = session.fork()) {
            Recorder recorder = subscribe(published.generate(OPTIONS), DIRECT);
            recorder.subscription.request(Long.MAX_VALUE);
            assertInstanceOf(Token.class, recorder.signals.remove());
            assertEquals("complete", recorder.signals.remove());
        }
        assertEquals(FinishReason.CONTEXT_FULL, session.generate(OPTIONS).forEachAsync(token -> {}, DIRECT).get());
    }

    @Test
    void cancellingEndsEachWayOfReceivingNormally() throws Exception {
        Generation looped = session.generate(OPTIONS);
        for (Token token : looped) {
            looped.cancel();
        }
        assertEquals(FinishReason.CANCELLED, looped.finishReason().orElseThrow());
        Generation called = session.generate(OPTIONS);
        assertEquals(FinishReason.CANCELLED, called.forEachAsync(token -> called.cancel(), DIRECT).get());
        Generation streamed = session.generate(OPTIONS);
        assertEquals(1, streamed.stream().peek(token -> streamed.cancel()).count());
    }

    private static void onAnotherThread(Runnable action) {
        Thread thread = Thread.ofVirtual().start(action);
        try {
            thread.join();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void cancellingTheFutureCancelsTheGeneration() throws Exception {
        CountDownLatch first = new CountDownLatch(1);
        CountDownLatch cancelled = new CountDownLatch(1);
        Generation generation = session.generate(OPTIONS);
        try (ExecutorService executor = Executors.newSingleThreadExecutor()) {
            CompletableFuture<FinishReason> future = generation.forEachAsync(token -> {
                first.countDown();
                await(cancelled);
            }, executor);
            first.await();
            future.cancel(false);
            cancelled.countDown();
        }
        assertEquals(FinishReason.CANCELLED, generation.finishReason().orElseThrow());
        assertEquals(4, session.length());
    }

    /** Records what it is told; asks for nothing by itself. */
    private static final class Recorder implements Flow.Subscriber<Token> {

        private final BlockingQueue<Object> signals = new LinkedBlockingQueue<>();
        private Flow.Subscription subscription;

        @Override
        public void onSubscribe(Flow.Subscription given) {
            subscription = given;
        }

        @Override
        public void onNext(Token token) {
            signals.add(token);
        }

        @Override
        public void onError(Throwable failure) {
            signals.add(failure);
        }

        @Override
        public void onComplete() {
            signals.add("complete");
        }
    }

    private Recorder subscribe(Generation generation, Executor executor) {
        Recorder recorder = new Recorder();
        generation.publisher(executor).subscribe(recorder);
        return recorder;
    }

    @Test
    void aPublisherComputesWhatIsAskedFor() {
        Recorder recorder = subscribe(session.generate(OPTIONS), DIRECT);
        assertEquals(3, session.length());
        recorder.subscription.request(2);
        assertEquals(expected.subList(0, 2), List.copyOf(recorder.signals));
        assertEquals(5, session.length());
        recorder.subscription.request(4);
        List<Object> all = new ArrayList<>(expected);
        all.add("complete");
        assertEquals(all, List.copyOf(recorder.signals), "the end needs no demand");
        recorder.subscription.request(1);
        recorder.subscription.cancel();
        assertEquals(all, List.copyOf(recorder.signals));
    }

    @Test
    void cancellingASubscriptionCancelsTheGenerationSilently() {
        Generation generation = session.generate(OPTIONS);
        Recorder recorder = subscribe(generation, DIRECT);
        recorder.subscription.request(1);
        recorder.subscription.cancel();
        recorder.subscription.request(5);
        assertEquals(expected.subList(0, 1), List.copyOf(recorder.signals));
        assertEquals(4, session.length());
    }

    @Test
    void anErrorOfTheEngineReachesTheSubscriber() {
        Recorder recorder = subscribe(session.generate(OPTIONS), DIRECT);
        recorder.subscription.request(1);
        session.close();
        recorder.subscription.request(Long.MAX_VALUE);
        assertInstanceOf(Token.class, recorder.signals.remove());
        assertInstanceOf(ClosedException.class, recorder.signals.remove());
        assertTrue(recorder.signals.isEmpty());
    }

    @Test
    void anExecutorThatRefusesIsAnErrorForTheSubscriber() {
        Recorder recorder = subscribe(session.generate(OPTIONS), task -> {
            throw new RejectedExecutionException("full");
        });
        recorder.subscription.request(1);
        assertInstanceOf(RejectedExecutionException.class, recorder.signals.remove());
        recorder.subscription.request(1);
        assertTrue(recorder.signals.isEmpty());
    }

    @Test
    void aSubscriberThatThrowsCountsAsCancelled() {
        AtomicReference<Flow.Subscription> given = new AtomicReference<>();
        List<Object> later = new ArrayList<>();
        session.generate(OPTIONS).publisher(DIRECT).subscribe(new Flow.Subscriber<>() {
            @Override
            public void onSubscribe(Flow.Subscription subscription) {
                given.set(subscription);
            }

            @Override
            public void onNext(Token token) {
                throw new IllegalStateException("the subscriber's own");
            }

            @Override
            public void onError(Throwable failure) {
                later.add(failure);
            }

            @Override
            public void onComplete() {
                later.add("complete");
            }
        });
        assertThrows(IllegalStateException.class, () -> given.get().request(3));
        given.get().request(3);
        assertEquals(List.of(), later);
        assertEquals(4, session.length());
    }

    @Test
    void aDemandBelowOneIsAnErrorAndEndsTheGeneration() {
        for (long demand : new long[] {0, -1, Long.MIN_VALUE}) {
            session.rewind(3);
            Recorder recorder = subscribe(session.generate(OPTIONS), DIRECT);
            recorder.subscription.request(1);
            recorder.subscription.request(demand);
            recorder.subscription.request(1);
            assertEquals(expected.getFirst(), recorder.signals.remove());
            assertInstanceOf(IllegalArgumentException.class, recorder.signals.remove());
            assertTrue(recorder.signals.isEmpty());
            assertEquals(4, session.length());
        }
    }

    @Test
    void demandAddsUpWithoutOverflow() {
        Recorder recorder = subscribe(session.generate(OPTIONS), Thread.ofVirtual()::start);
        recorder.subscription.request(Long.MAX_VALUE);
        recorder.subscription.request(Long.MAX_VALUE);
        assertEquals(expected, taken(recorder, expected.size()));
        assertEquals(List.of("complete"), taken(recorder, 1));
    }

    @Test
    void askingFromInsideASignalDoesNotRecurse() {
        List<String> calls = new ArrayList<>();
        session.generate(OPTIONS).publisher(DIRECT).subscribe(new Flow.Subscriber<>() {
            private Flow.Subscription subscription;

            @Override
            public void onSubscribe(Flow.Subscription given) {
                subscription = given;
                given.request(1);
                calls.add("subscribed");
            }

            @Override
            public void onNext(Token token) {
                calls.add("in");
                subscription.request(1);
                calls.add("out");
            }

            @Override
            public void onError(Throwable failure) {
                calls.add("error");
            }

            @Override
            public void onComplete() {
                calls.add("complete");
            }
        });
        List<String> one = List.of("in", "out");
        List<String> all = new ArrayList<>(List.of("subscribed"));
        expected.forEach(token -> all.addAll(one));
        all.add("complete");
        assertEquals(all, calls);
    }

    @Test
    void aSecondSubscriberIsToldThatItIsTooLate() {
        Flow.Publisher<Token> publisher = session.generate(OPTIONS).publisher(DIRECT);
        Recorder first = new Recorder();
        Recorder second = new Recorder();
        publisher.subscribe(first);
        publisher.subscribe(second);
        second.subscription.request(1);
        assertInstanceOf(ConcurrentUseException.class, second.signals.remove());
        assertTrue(second.signals.isEmpty());
        assertThrows(NullPointerException.class, () -> publisher.subscribe(null));
        first.subscription.request(1);
        assertEquals(expected.subList(0, 1), List.copyOf(first.signals));
    }

    private static List<Object> taken(Recorder recorder, int count) {
        List<Object> signals = new ArrayList<>();
        try {
            while (signals.size() < count) {
                signals.add(recorder.signals.take());
            }
        } catch (InterruptedException interrupted) {
            throw new IllegalStateException(interrupted);
        }
        return signals;
    }

    @Test
    void manyThreadsMayAskAtOnce() {
        try (ExecutorService executor = Executors.newFixedThreadPool(4)) {
            Recorder recorder = subscribe(session.generate(OPTIONS), executor);
            for (int i = 0; i < expected.size(); i++) {
                executor.execute(() -> recorder.subscription.request(1));
            }
            assertEquals(expected, taken(recorder, expected.size()));
            assertEquals(List.of("complete"), taken(recorder, 1));
        }
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException interrupted) {
            throw new IllegalStateException(interrupted);
        }
    }
}
