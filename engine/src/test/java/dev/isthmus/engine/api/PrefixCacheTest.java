package dev.isthmus.engine.api;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.errors.InvalidInputException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Prompts that were read before are not computed again, by the same bits. */
@Timeout(60)
class PrefixCacheTest {

    private static final GenerationOptions GREEDY =
            GenerationOptions.builder().greedy().maxTokens(5).stopAtEndOfText(false).build();

    @TempDir
    static Path directory;

    private Model model = open(PrefixCache.FINISHED);

    @BeforeAll
    static void write() throws IOException {
        TinyModel.write(directory, 300, 42);
    }

    private static Model open(PrefixCache cache) {
        return Model.open(directory, ModelOptions.DEFAULT.withThreads(2).withPrefixCache(cache));
    }

    private void use(Model other) {
        model.close();
        model = other;
    }

    @AfterEach
    void close() {
        assertEquals(0, model.loaded().cacheBytes());
        model.close();
    }

    private static int[] ids(int count, int seed) {
        return IntStream.range(0, count).map(i -> (31 * i * i + 7 * i + seed) % TinyModel.END_OF_TEXT).toArray();
    }

    private float[] read(int[] ids, String domain) {
        try (Session session = model.newSession(ContextPolicy.ERROR, domain)) {
            session.append(ids);
            return session.logits();
        }
    }

    private long computedOf(Runnable work) {
        long before = model.metrics().prefillTokens();
        work.run();
        return model.metrics().prefillTokens() - before;
    }

    @Test
    void aFinishedPromptIsNotComputedAgain() {
        int[] prompt = ids(200, 1);
        float[] first = read(prompt, "");
        assertEquals(200 - 192, computedOf(() -> assertArrayEquals(first, read(prompt, ""))));
        Metrics metrics = model.metrics();
        assertEquals(192, metrics.prefixTokens());
        assertEquals(0, metrics.cacheBytes());
        assertTrue(metrics.finishedBytes() > 0);
    }

    @Test
    void generatedTokensAreFoundToo() {
        List<Integer> generated;
        int[] prompt = ids(126, 1);
        try (Session session = model.newSession()) {
            session.append(prompt);
            generated = session.generate(GREEDY).stream().map(Token::id).toList();
        }
        int[] next = IntStream.concat(IntStream.of(prompt), generated.stream().mapToInt(Integer::intValue)).toArray();
        try (Session session = model.newSession()) {
            session.append(next);
            assertEquals(128, session.metrics().prefixTokens());
        }
    }

    @Test
    void requestsFindWhatSessionsHaveRead() {
        int[] prompt = ids(150, 1);
        read(prompt, "");
        List<Integer> alone;
        try (Model other = open(PrefixCache.OFF); Session session = other.newSession()) {
            session.append(prompt);
            alone = session.generate(GREEDY).stream().map(Token::id).toList();
        }
        GenerationRequest request = GenerationRequest.of(prompt, GREEDY);
        try (BatchingExecutor executor = model.newBatchingExecutor(BatchingOptions.DEFAULT)) {
            assertEquals(150 - 128, computedOf(() -> assertEquals(alone, ids(executor.submit(request)))));
            assertEquals(150, computedOf(() -> assertEquals(alone,
                    ids(executor.submit(request.withCacheDomain("tenant"))))));
            assertEquals(150 - 128, computedOf(() -> ids(executor.submit(request.withCacheDomain("tenant")))));
        }
    }

    private static List<Integer> ids(GenerationTask task) {
        return task.stream().map(Token::id).toList();
    }

    @Test
    void tenantsDoNotSeeEachOther() {
        int[] prompt = ids(150, 1);
        read(prompt, "one");
        assertEquals(150, computedOf(() -> read(prompt, "two")));
        assertEquals(150, computedOf(() -> read(prompt, "")));
        assertEquals(150 - 128, computedOf(() -> read(prompt, "one")));
        try (Session session = model.newSession(ContextPolicy.ERROR, "three")) {
            session.append(ids(100, 9));
            try (Session fork = session.fork()) {
                fork.rewind(0);
                assertEquals(150, computedOf(() -> fork.append(prompt)));
            }
        }
        assertThrows(InvalidInputException.class, () -> model.newSession(ContextPolicy.ERROR, null));
    }

    /** What it reads on is found in the tenant's domain only. */
    @Test
    void aRestoredSessionMayBeATenants() {
        int[] prompt = ids(100, 1);
        Path snapshot = directory.resolve("tenant.snapshot");
        try (Session session = model.newSession(ContextPolicy.ERROR, "tenant")) {
            session.append(IntStream.of(prompt).limit(10).toArray());
            session.snapshot(snapshot);
        }
        try (Session session = model.restoreSession(snapshot, ContextPolicy.ERROR, "tenant")) {
            session.append(IntStream.of(prompt).skip(10).toArray());
        }
        assertEquals(100, computedOf(() -> read(prompt, "")));
        assertEquals(100 - 64, computedOf(() -> read(prompt, "tenant")));
    }

    @Test
    void aSessionThatStartsAnewKeepsItsOldText() {
        int[] prompt = ids(150, 1);
        try (Session session = model.newSession()) {
            session.append(prompt);
            session.rewind(0);
            session.append(ids(150, 5));
            session.rewind(0);
            assertEquals(150 - 128, computedOf(() -> session.append(prompt)));
        }
    }

    @Test
    void itCanBeOff() {
        int[] prompt = ids(150, 1);
        use(open(PrefixCache.OFF));
        read(prompt, "");
        try (Session open = model.newSession()) {
            assertEquals(150, computedOf(() -> open.append(prompt)));
            assertEquals(150, computedOf(() -> read(prompt, "")));
        }
        assertEquals(0, model.metrics().finishedBytes() + model.metrics().prefixTokens());
        use(open(PrefixCache.OPEN));
        read(prompt, "");
        try (Session open = model.newSession()) {
            assertEquals(150, computedOf(() -> open.append(prompt)));
            assertEquals(150 - 128, computedOf(() -> read(prompt, "")));
        }
    }

    @Test
    void aLimitHoldsForFinishedTexts() {
        long block;
        try (Session session = model.newSession()) {
            session.append(1);
            block = session.metrics().cacheBytes();
        }
        use(Model.open(directory, ModelOptions.DEFAULT.withThreads(2).withCacheLimit(3 * block)));
        for (int seed = 0; seed < 5; seed++) {
            read(ids(150, seed), "");
            assertTrue(model.metrics().finishedBytes() <= 3 * block);
        }
        assertEquals(3 * block, model.loaded().availableCacheBytes());
    }

    @Test
    void theReferenceSharesTheSameBits() {
        use(Model.open(directory, ModelOptions.DEFAULT.withBackend(BackendChoice.REFERENCE)));
        int[] prompt = ids(80, 1);
        float[] first = read(prompt, "");
        assertEquals(80 - 64, computedOf(() -> assertArrayEquals(first, read(prompt, ""))));
    }
}
