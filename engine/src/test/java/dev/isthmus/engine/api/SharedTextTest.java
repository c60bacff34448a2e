package dev.isthmus.engine.api;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.isthmus.engine.errors.CancelledException;
import dev.isthmus.engine.errors.ContextFullException;
import dev.isthmus.engine.errors.InvalidInputException;
import dev.isthmus.engine.kernels.RowBatch;
import dev.isthmus.engine.model.LayerProbe;
import dev.isthmus.engine.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/** Sessions that have keys and values in common, and sessions whose context slides. */
@Timeout(60)
@ParameterizedClass
@EnumSource(value = BackendChoice.class, names = {"CPU", "REFERENCE"})
class SharedTextTest {

    private static final int CONTEXT = 200;

    @Parameter
    BackendChoice backend;

    @TempDir
    static Path directory;

    private Model model;

    @BeforeEach
    void open() throws IOException {
        if (Files.notExists(directory.resolve("config.json"))) {
            TinyModel.write(directory, CONTEXT, 42);
        }
        model = openAnother();
    }

    private Model openAnother() {
        return Model.open(directory, ModelOptions.DEFAULT.withBackend(backend).withThreads(2));
    }

    @AfterEach
    void close() {
        assertEquals(0, model.loaded().cacheBytes(), "every block was let go of");
        model.close();
    }

    @Test
    void aForkGoesOnByItselfAsItsParentWouldHave() {
        int[] prompt = ids(100, 1);
        try (Session parent = model.newSession()) {
            parent.append(prompt);
            parent.append(3);
            try (Session fork = parent.fork()) {
                assertArrayEquals(parent.tokens(), fork.tokens());
                assertArrayEquals(parent.logits(), fork.logits());
                parent.append(4, 5);
                fork.append(6, 7, 8);
                assertArrayEquals(alone(parent.tokens()), parent.logits());
                assertArrayEquals(alone(fork.tokens()), fork.logits());
                fork.rewind(40);
                fork.append(9);
                assertArrayEquals(alone(parent.tokens()), parent.logits());
                assertArrayEquals(alone(fork.tokens()), fork.logits());
            }
        }
    }

    @Test
    void aForkOutlivesItsParent() {
        Session parent = model.newSession();
        parent.append(ids(100, 1));
        Session fork = parent.fork();
        Session grandchild = fork.fork();
        fork.close();
        parent.close();
        grandchild.append(3);
        assertArrayEquals(alone(grandchild.tokens()), grandchild.logits());
        grandchild.close();
    }

    @Test
    void aForkTakesWhatWasGeneratedAndNotYetReadAlong() {
        try (Session parent = model.newSession()) {
            parent.append(ids(64, 1));
            for (Token token : parent.generate(GenerationOptions.builder().greedy().maxTokens(3).build())) {
                try (Session fork = parent.fork()) {
                    assertEquals(token.id(), fork.tokens()[fork.length() - 1]);
                    assertArrayEquals(alone(fork.tokens()), fork.logits());
                }
            }
        }
    }

    @Test
    void anObserverSeesEveryTokenOfABeginningThatOthersHaveRead() {
        int[] text = ids(140, 1);
        try (Session first = model.newSession(); Session second = model.newSession()) {
            first.append(text);
            Capture capture = Capture.builder().hiddenStates(1).build();
            second.append(text, capture);
            assertEquals(text.length, capture.hiddenStates(1).length);
            assertArrayEquals(first.logits(), second.logits());
        }
    }

    @Test
    void sessionsThatBeginAlikeStoreTheBeginningOnceAndGetTheSameBits() {
        int[] prefix = ids(140, 1);
        List<Session> sessions = new ArrayList<>();
        int blockBytes = 0;
        for (int i = 0; i < 5; i++) {
            Session session = model.newSession();
            sessions.add(session);
            session.append(Arrays.copyOf(prefix, 70 + i));
            blockBytes = blockBytes == 0 ? (int) model.loaded().cacheBytes() / 2 : blockBytes;
            int[] rest = Arrays.copyOfRange(prefix, 70 + i, prefix.length);
            session.append(rest);
            session.append(i);
            assertArrayEquals(alone(session.tokens()), session.logits());
        }
        int blocks = model.loaded().backend().isBatchInvariant() ? 2 + 5 : 3 * 5;
        assertEquals((long) blocks * blockBytes, model.loaded().cacheBytes());
        for (Session session : sessions) {
            session.close();
        }
    }

    @Test
    void whatWasReadBeforeIsNotComputedAgain() {
        int[] prefix = ids(150, 1);
        try (Session first = model.newSession(); Session second = model.newSession()) {
            first.append(prefix);
            int computed = model.loaded().backend().isBatchInvariant() ? 150 - 128 : 150;
            assertEquals(computed, rowsComputed(second, prefix, 149));
            second.rewind(0);
            assertEquals(150, rowsComputed(second, prefix, 0), "all logits are wanted");
            assertArrayEquals(alone(prefix), second.logits());
        }
    }

    @Test
    void aSlidingContextDropsAsManyTokensAsItSaysAndIsThenASessionOfTheTokensLeft() {
        try (Session session = model.newSession(ContextPolicy.sliding(10, 50))) {
            int[] text = ids(CONTEXT - 2, 1);
            session.append(text);
            session.append(1, 2);
            assertEquals(CONTEXT, session.length());
            session.append(3, 4, 5);
            int[] all = concat(text, 1, 2, 3, 4, 5);
            int[] left = concat(Arrays.copyOf(all, 10), Arrays.copyOfRange(all, 60, all.length));
            assertArrayEquals(left, session.tokens());
            assertArrayEquals(alone(left), session.logits());

            int[] more = ids(140, 3);
            session.append(more);
            all = concat(left, more);
            left = concat(Arrays.copyOf(all, 10), Arrays.copyOfRange(all, 10 + 100, all.length));
            assertArrayEquals(left, session.tokens(), "twice as many where once is not enough");
            assertArrayEquals(alone(left), session.logits());
        }
    }

    @Test
    void aGenerationGoesOnBehindAFullContext() {
        GenerationOptions options = GenerationOptions.builder().temperature(2).seed(5).maxTokens(120)
                .stopAtEndOfText(false).build();
        try (Session session = model.newSession(ContextPolicy.sliding(4, 60))) {
            session.append(ids(150, 1));
            List<Integer> generated = new ArrayList<>();
            Generation generation = session.generate(options);
            generation.forEach(token -> generated.add(token.id()));
            assertEquals(120, generated.size());
            assertEquals(FinishReason.MAX_TOKENS, generation.finishReason().orElseThrow());
            assertEquals(150 + 120 - 120, session.length());
            int[] tokens = session.tokens();
            assertEquals(generated.subList(generated.size() - 80, generated.size()),
                    IntStream.range(tokens.length - 80, tokens.length).mapToObj(i -> tokens[i]).toList());
            assertArrayEquals(alone(tokens), session.logits());
        }
    }

    @Test
    void rulesSeeTheTextThatTheContextNoLongerHolds() {
        try (Session session = model.newSession(ContextPolicy.sliding(0, 100))) {
            session.append(ids(150, 1));
            GenerationOptions once = GenerationOptions.builder().greedy().frequencyPenalty(1e6).forcedLast(7)
                    .maxTokens(200).stopAtEndOfText(false).build();
            List<Integer> generated = new ArrayList<>();
            session.generate(once).forEach(token -> generated.add(token.id()));
            assertEquals(200, generated.size());
            assertEquals(7, generated.removeLast());
            assertEquals(199, generated.stream().distinct().count());
        }
    }

    @Test
    void aSlideThatIsCutShortLeavesTheSessionAsItWas() {
        try (Session session = model.newSession(ContextPolicy.sliding(10, 50))) {
            session.append(ids(CONTEXT, 1));
            float[] logits = session.logits();
            int[] tokens = session.tokens();
            LayerProbe cancelled = Completions.probe(() -> true);
            assertThrows(CancelledException.class, () -> session.appendFrom(new int[] {1, 2}, 1, null, cancelled));
            assertArrayEquals(tokens, session.tokens());
            assertArrayEquals(logits, session.logits());
        }
    }

    @Test
    void whatIsAppendedIsNeverDropped() {
        try (Session session = model.newSession(ContextPolicy.sliding(10, 50))) {
            session.append(ids(100, 1));
            assertThrows(ContextFullException.class, () -> session.append(ids(CONTEXT - 9, 2)));
            assertEquals(100, session.length());
            assertThrows(ContextFullException.class, () -> session.append(ids(CONTEXT - 40, 2)),
                    "two times fifty are more than there are behind the first ten");
            session.append(ids(CONTEXT - 50, 2));
            assertEquals(CONTEXT, session.length());
        }
        assertThrows(InvalidInputException.class, () -> model.newSession(ContextPolicy.sliding(100, 100)));
        assertThrows(InvalidInputException.class, () -> ContextPolicy.sliding(0, 0));
        assertThrows(InvalidInputException.class, () -> ContextPolicy.sliding(-1, 5));
    }

    private static int rowsComputed(Session session, int[] ids, int firstLogits) {
        int[] rows = {0};
        session.appendFrom(ids, firstLogits, (position, logits) -> {}, new LayerProbe() {
            @Override
            public void hiddenState(int boundary, Tensor x, RowBatch batch) {
                rows[0] += boundary == 0 ? batch.rows() : 0;
            }
        });
        return rows[0];
    }

    /** The logits behind a text that a model reads which holds nothing else. */
    private float[] alone(int[] ids) {
        try (Model other = openAnother(); Session session = other.newSession()) {
            session.append(ids);
            return session.logits();
        }
    }

    private static int[] ids(int count, int seed) {
        return IntStream.range(0, count).map(i -> (31 * i * i + 7 * i + seed) % TinyModel.END_OF_TEXT).toArray();
    }

    private static int[] concat(int[] ids, int... more) {
        int[] all = Arrays.copyOf(ids, ids.length + more.length);
        System.arraycopy(more, 0, all, ids.length, more.length);
        return all;
    }
}
