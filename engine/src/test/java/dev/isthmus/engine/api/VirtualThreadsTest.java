package dev.isthmus.engine.api;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.ChildJvm;
import dev.isthmus.engine.errors.ConcurrentUseException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Sessions that virtual threads use. */
@Timeout(120)
class VirtualThreadsTest {

    private static final int[] IDS = IntStream.range(0, 30).toArray();

    @TempDir
    Path directory;

    private Model model;
    private Session session;

    @BeforeEach
    void open() throws IOException {
        model = Model.open(TinyModel.write(directory, 200, 42), ModelOptions.DEFAULT.withThreads(2));
        session = model.newSession();
    }

    @AfterEach
    void close() {
        session.close();
        model.close();
    }

    private static <R> R onVirtualThread(Callable<R> work) throws Exception {
        FutureTask<R> task = new FutureTask<>(work);
        Thread.startVirtualThread(task);
        return task.get(60, TimeUnit.SECONDS);
    }

    /** A single carrier: with it taken by native code, the other virtual thread would not run until the end. */
    @Test
    void othersRunWhileOneComputes() throws Exception {
        TinyModel.write(directory.resolve("large"), 24, 1000, 42);
        Process process = ChildJvm.of(List.of("-Djdk.virtualThreadScheduler.parallelism=1",
                "-Djdk.virtualThreadScheduler.maxPoolSize=1"), OneCarrier.class.getName(),
                List.of(directory.resolve("large").toString())).start();
        String output = new String(process.getInputStream().readAllBytes());
        assertEquals(0, process.waitFor(), output);
        assertTrue(output.contains("ticked during every call"), output);
    }

    /** Counts how often a virtual thread wakes up during calls of another. */
    static final class OneCarrier {
        private static volatile int ticks;

        public static void main(String[] arguments) throws Exception {
            int[] ids = IntStream.range(0, 999).map(i -> i % 250).toArray();
            try (Model model = Model.open(Path.of(arguments[0]), ModelOptions.DEFAULT.withThreads(1)
                    .withPrefixCache(PrefixCache.OFF))) {
                Thread.startVirtualThread(() -> {
                    while (true) {
                        ticks++;
                        LockSupport.parkNanos(1_000_000);
                    }
                });
                List<Runnable> calls = List.of(() -> append(model, ids), () -> model.score(ids, 999),
                        () -> model.embed(ids, Pooling.MEAN), () -> model.embeddings().nearest(5, 3));
                for (Runnable call : calls) {
                    Thread caller = Thread.startVirtualThread(() -> {
                        int before = ticks;
                        call.run();
                        if (ticks == before) {
                            System.out.println("no tick during call " + calls.indexOf(call));
                            Runtime.getRuntime().halt(1);
                        }
                    });
                    caller.join();
                }
                System.out.println("ticked during every call");
            }
        }

        private static void append(Model model, int[] ids) {
            try (Session session = model.newSession()) {
                session.append(ids);
            }
        }
    }

    @Test
    void theSameBitsComeOut() throws Exception {
        session.append(IDS);
        assertArrayEquals(session.logits(), onVirtualThread(() -> {
            try (Session other = model.newSession()) {
                other.append(IDS);
                return other.logits();
            }
        }));
    }

    @Test
    void visitorsAndObserversRunOnTheCaller() throws Exception {
        onVirtualThread(() -> {
            Thread caller = Thread.currentThread();
            session.append(IDS, (position, logits) -> assertSame(caller, Thread.currentThread()));
            session.append(IDS, new ForwardObserver() {
                @Override
                public boolean wantsAttention(int layer, int head) {
                    assertSame(caller, Thread.currentThread());
                    return layer == 1;
                }

                @Override
                public boolean wantsHiddenState(int boundary) {
                    assertSame(caller, Thread.currentThread());
                    return true;
                }

                @Override
                public void hiddenState(int boundary, int position, double[] values) {
                    assertSame(caller, Thread.currentThread());
                }

                @Override
                public void attention(int layer, int head, int position, double[] probabilities) {
                    assertSame(caller, Thread.currentThread());
                }
            });
            return null;
        });
        assertEquals(2 * IDS.length, session.length());
    }

    @Test
    void anObserverMayUseAnotherSession() throws Exception {
        float[] expected;
        try (Session other = model.newSession()) {
            other.append(1, 2, 3);
            expected = other.logits();
        }
        onVirtualThread(() -> {
            session.append(new int[] {4, 5}, new ForwardObserver() {
                @Override
                public void hiddenState(int boundary, int position, double[] values) {
                    try (Session other = model.newSession()) {
                        other.append(1, 2, 3);
                        assertArrayEquals(expected, other.logits());
                    }
                }
            });
            return null;
        });
    }

    @Test
    void closingFromWithinIsRefused() throws Exception {
        onVirtualThread(() -> {
            session.append(new int[] {4, 5}, new ForwardObserver() {
                @Override
                public void hiddenState(int boundary, int position, double[] values) {
                    assertThrows(ConcurrentUseException.class, session::close);
                    assertThrows(ConcurrentUseException.class, model::close);
                }
            });
            return null;
        });
    }

    @Test
    void anInterruptedCallKeepsItsFlag() throws Exception {
        assertTrue(onVirtualThread(() -> {
            session.append(IDS, (position, logits) -> {
                if (position == IDS.length - 1) {
                    Thread.currentThread().interrupt();
                }
            });
            return Thread.interrupted();
        }));
        assertFalse(onVirtualThread(() -> {
            session.logits();
            return Thread.interrupted();
        }));
    }

    @Test
    void generationsRunOnVirtualThreads() throws Exception {
        GenerationOptions options = GenerationOptions.builder().greedy().maxTokens(8).stopAtEndOfText(false).build();
        session.append(IDS);
        List<Integer> expected = session.generate(options).stream().map(Token::id).toList();
        assertEquals(expected, onVirtualThread(() -> {
            try (Session other = model.newSession()) {
                other.append(IDS);
                return other.generate(options).stream().map(Token::id).toList();
            }
        }));
    }
}
