package dev.isthmus.engine.api;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.errors.CancelledException;
import dev.isthmus.engine.errors.ClosedException;
import dev.isthmus.engine.errors.ConcurrentUseException;
import dev.isthmus.engine.errors.ContextFullException;
import dev.isthmus.engine.errors.DeadlineExceededException;
import dev.isthmus.engine.errors.EngineException;
import dev.isthmus.engine.errors.InvalidInputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.atomic.LongAdder;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Everything at once, for as many seconds as {@code isthmus.hammer.seconds} says (6 unless told): sessions and their
 * forks and snapshots, one session that several threads fight over, an executor, cancellation, and somebody who closes
 * the executor and the model under all of them. What succeeds must give the tokens that it gives alone; what fails must
 * fail with an error that the Javadoc names; and no block of a cache may be left behind.
 */
@Timeout(3600)
class HammerTest {

    private static final long SECONDS = Long.getLong("isthmus.hammer.seconds", 6);
    private static final int TEXTS = 24;
    private static final int GENERATED = 8;
    private static final int THREADS_OF_A_ROLE = 3;
    private static final Set<Class<?>> ALLOWED = Set.of(ClosedException.class, ConcurrentUseException.class,
            CancelledException.class, DeadlineExceededException.class);
    private static final GenerationOptions GREEDY = GenerationOptions.builder().greedy().maxTokens(GENERATED)
            .stopAtEndOfText(false).build();

    @TempDir
    Path directory;

    private final AtomicReference<Model> model = new AtomicReference<>();
    private final AtomicReference<BatchingExecutor> executor = new AtomicReference<>();
    private final AtomicReference<Session> foughtOver = new AtomicReference<>();
    private final List<int[]> texts = new ArrayList<>();
    private final List<List<Integer>> expected = new ArrayList<>();
    private final Queue<Throwable> failures = new ConcurrentLinkedQueue<>();
    private final Queue<Model> closedModels = new ConcurrentLinkedQueue<>();
    private final Map<String, LongAdder> counts = new ConcurrentHashMap<>();
    private Path checkpoint;

    /** Something that a thread does again and again. */
    @FunctionalInterface
    private interface Role {
        void play(SplittableRandom random) throws Exception;
    }

    @Test
    void nothingButTypedErrorsAndRightResultsComesOfUsingEverythingAtOnce() throws Exception {
        prepare();
        Map<String, Role> roles = Map.of("session", this::useSession, "fork", this::useForks,
                "snapshot", this::useSnapshots, "fight", this::fightOverASession, "executor", this::useExecutor,
                "close", this::closeSomething);
        long end = System.nanoTime() + Duration.ofSeconds(SECONDS).toNanos();
        List<Thread> threads = new ArrayList<>();
        roles.forEach((name, role) -> IntStream.range(0, name.equals("close") ? 1 : THREADS_OF_A_ROLE)
                .forEach(i -> threads.add(Thread.ofPlatform().start(() -> repeat(name, role, i, end)))));
        for (Thread thread : threads) {
            thread.join();
        }
        executor.get().closeNow();
        foughtOver.get().close();
        closedModels.add(model.get());
        model.get().close();

        failures.forEach(Throwable::printStackTrace);
        assertEquals(0, failures.size(), () -> failures.peek().toString());
        closedModels.forEach(closed -> assertEquals(0, closed.loaded().cacheBytes(), "blocks left behind"));
        for (String role : roles.keySet()) {
            assertTrue(counts.containsKey(role + " done"), () -> "never succeeded: " + role + " of " + counts);
        }
        System.out.println("hammer, " + SECONDS + " s: " + new TreeMap<>(counts));
    }

    private void prepare() throws IOException {
        checkpoint = TinyModel.write(directory.resolve("model"), 200, 42);
        SplittableRandom random = new SplittableRandom(1);
        int[] prefix = random.ints(130, 0, TinyModel.END_OF_TEXT).toArray();
        for (int i = 0; i < TEXTS; i++) {
            int common = random.nextInt(prefix.length);
            int[] text = Arrays.copyOf(prefix, common + 1 + random.nextInt(20));
            for (int t = common; t < text.length; t++) {
                text[t] = random.nextInt(TinyModel.END_OF_TEXT);
            }
            texts.add(text);
            try (Model alone = Model.open(checkpoint); Session session = alone.newSession()) {
                session.append(text);
                expected.add(ids(session.generate(GREEDY)));
            }
        }
        model.set(open());
        executor.set(newExecutor(model.get()));
        foughtOver.set(model.get().newSession());
    }

    private Model open() {
        return Model.open(checkpoint, ModelOptions.DEFAULT.withThreads(3));
    }

    private static BatchingExecutor newExecutor(Model of) {
        return of.newBatchingExecutor(new BatchingOptions(4, 2, 32));
    }

    private void repeat(String name, Role role, int number, long end) {
        SplittableRandom random = new SplittableRandom(31L * name.hashCode() + number);
        while (System.nanoTime() < end && failures.isEmpty()) {
            try {
                role.play(random);
                count(name + " done");
            } catch (EngineException refused) {
                count(name + " " + refused.getClass().getSimpleName());
                if (!ALLOWED.contains(refused.getClass())) {
                    failures.add(refused);
                }
                // Who is refused at once would leave the others no time.
                Thread.yield();
            } catch (Throwable other) {
                failures.add(other);
            }
        }
    }

    private void count(String what) {
        counts.computeIfAbsent(what, key -> new LongAdder()).increment();
    }

    private void useSession(SplittableRandom random) {
        int i = random.nextInt(TEXTS);
        int[] text = texts.get(i);
        try (Session session = model.get().newSession()) {
            int cut = random.nextInt(text.length);
            if (cut > 0) {
                session.append(Arrays.copyOf(text, cut));
                session.append(random.nextInt(TinyModel.END_OF_TEXT));
                session.rewind(cut);
            }
            session.append(Arrays.copyOfRange(text, cut, text.length));
            Generation generation = session.generate(GREEDY);
            boolean cancels = random.nextInt(4) == 0;
            if (cancels) {
                Thread.startVirtualThread(generation::cancel);
            }
            List<Integer> found = ids(generation);
            if (cancels) {
                check(expected.get(i).subList(0, found.size()), found);
            } else {
                check(expected.get(i), found);
            }
        }
    }

    private void useForks(SplittableRandom random) throws InterruptedException {
        int i = random.nextInt(TEXTS);
        List<Session> family = new ArrayList<>();
        try {
            family.add(model.get().newSession());
            family.getFirst().append(texts.get(i));
            for (int n = random.nextInt(4); n >= 0; n--) {
                family.add(family.get(random.nextInt(family.size())).fork());
            }
            List<Thread> threads = new ArrayList<>();
            for (Session each : family) {
                threads.add(Thread.startVirtualThread(() -> repeat("forked", own -> {
                    check(expected.get(i), ids(each.generate(GREEDY)));
                    each.close();
                }, 0, System.nanoTime() + 1)));
            }
            for (Thread thread : threads) {
                thread.join();
            }
        } finally {
            family.forEach(Session::close);
        }
    }

    private void useSnapshots(SplittableRandom random) throws IOException {
        int i = random.nextInt(TEXTS);
        Path file = directory.resolve("snapshot-" + Thread.currentThread().threadId());
        try (Session session = model.get().newSession()) {
            session.append(texts.get(i));
            session.snapshot(file);
        }
        try (Session restored = model.get().restoreSession(file)) {
            check(expected.get(i), ids(restored.generate(GREEDY)));
        } finally {
            Files.deleteIfExists(file);
        }
    }

    /** What the session holds changes between one's own calls: it may be empty then, or full. */
    private void fightOverASession(SplittableRandom random) {
        try {
            fight(foughtOver.get(), random);
        } catch (InvalidInputException | ContextFullException byTheOthers) {
            count("fight " + byTheOthers.getClass().getSimpleName());
        }
    }

    private void fight(Session session, SplittableRandom random) {
        switch (random.nextInt(5)) {
            case 0 -> session.append(1 + random.nextInt(5));
            case 1 -> session.rewind(0);
            case 2 -> session.fork().close();
            case 3 -> session.tokens();
            default -> {
                session.rewind(0);
                session.append(texts.get(0));
                session.logits();
            }
        }
        if (session.length() > 150) {
            session.rewind(0);
        }
    }

    private void useExecutor(SplittableRandom random) {
        int i = random.nextInt(TEXTS);
        GenerationRequest request = GenerationRequest.of(texts.get(i), GREEDY);
        BatchingExecutor to = executor.get();
        try {
            switch (random.nextInt(5)) {
                case 0 -> {
                    try (GenerationTask task = to.submit(request)) {
                        task.iterator().next();
                    }
                }
                case 1 -> to.submit(request.withTimeLimit(Duration.ofNanos(random.nextInt(2_000_000)))).result().join();
                case 2 -> {
                    Optional<GenerationTask> task = to.trySubmit(request);
                    task.ifPresent(taken -> check(expected.get(i), taken.stream().map(Token::id).toList()));
                }
                default -> check(expected.get(i), to.submit(request).result().join().tokens().stream().map(Token::id)
                        .toList());
            }
        } catch (CompletionException failed) {
            if (failed.getCause() instanceof EngineException typed) {
                throw typed;
            }
            throw failed;
        }
    }

    private void closeSomething(SplittableRandom random) throws InterruptedException {
        Thread.sleep(5 + random.nextInt(40));
        Model used = model.get();
        switch (random.nextInt(4)) {
            case 0 -> {
                Model next = open();
                BatchingExecutor old = executor.get();
                Session session = foughtOver.get();
                model.set(next);
                executor.set(newExecutor(next));
                foughtOver.set(next.newSession());
                used.close();
                closedModels.add(used);
                old.close();
                session.close();
            }
            case 1 -> {
                BatchingExecutor old = executor.get();
                executor.set(newExecutor(used));
                old.closeNow();
            }
            case 2 -> {
                BatchingExecutor old = executor.get();
                executor.set(newExecutor(used));
                old.close();
            }
            default -> {
                Session old = foughtOver.get();
                foughtOver.set(used.newSession());
                old.close();
            }
        }
    }

    /** Where the backend promises the same bits, the same tokens too. */
    private void check(List<Integer> wanted, List<Integer> found) {
        if (model.get().loaded().backend().isBatchInvariant()) {
            assertEquals(wanted, found);
        }
    }

    private static List<Integer> ids(Generation generation) {
        return generation.stream().map(Token::id).toList();
    }
}
