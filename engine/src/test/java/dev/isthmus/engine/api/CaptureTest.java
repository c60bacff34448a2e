package dev.isthmus.engine.api;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.errors.InvalidInputException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class CaptureTest {

    private static final int[] IDS = {5, 6, 7, 8};
    private static final int LAYERS = 2;

    @TempDir
    static Path directory;

    @BeforeAll
    static void write() throws IOException {
        TinyModel.write(directory);
    }

    private static void read(Capture capture, int... ids) {
        try (Model model = Model.open(directory); Session session = model.newSession()) {
            session.append(ids, capture);
        }
    }

    @Test
    void onlyWhatWasAskedForIsKept() {
        Capture capture = Capture.builder().hiddenStates(1).attention(0, 2).attention(1).build();
        read(capture, IDS);
        assertEquals(IDS.length, capture.hiddenStates(1).length);
        assertThrows(InvalidInputException.class, () -> capture.hiddenStates(0));
        assertArrayEquals(new int[] {1, 2, 3, 4},
                IntStream.range(0, IDS.length).map(t -> capture.attention(0, 2)[t].length).toArray());
        assertThrows(InvalidInputException.class, () -> capture.attention(0, 1));
        for (int head = 0; head < 3; head++) {
            assertEquals(IDS.length, capture.attention(1, head).length);
        }
    }

    @Test
    void whatTheModelDoesNotHaveIsNotFound() {
        Capture capture = Capture.builder().hiddenStates(LAYERS + 2).attention(LAYERS).attention(0, 3).build();
        read(capture, IDS);
        assertThrows(InvalidInputException.class, () -> capture.hiddenStates(LAYERS + 2));
        assertThrows(InvalidInputException.class, () -> capture.attention(LAYERS, 0));
        assertThrows(InvalidInputException.class, () -> capture.attention(0, 3));
    }

    /** The last token of a generation is not read before it is needed. */
    @Test
    void behindAGenerationOnlyTheNewTokensAreSeen() {
        try (Model model = Model.open(directory); Session session = model.newSession()) {
            session.append(1, 2);
            session.generate(GenerationOptions.builder().greedy().maxTokens(3).build()).forEach(token -> {});
            int before = session.length();
            Capture capture = Capture.builder().hiddenStates(0).attention(1, 0).build();
            session.append(IDS, capture);
            assertEquals(IDS.length, capture.hiddenStates(0).length);
            assertEquals(before + 1, capture.attention(1, 0)[0].length);
        }
    }

    /** With the embedding as output matrix, logit v is the product of the last boundary with row v. */
    @Test
    void theLastBoundaryIsWhatTheLogitsAreMadeOf() {
        Capture capture = Capture.builder().hiddenStates(LAYERS + 1).build();
        try (Model model = Model.open(directory, ModelOptions.DEFAULT.withBackend(BackendChoice.REFERENCE));
                Session session = model.newSession()) {
            session.append(IDS, capture);
            double[] state = capture.hiddenStates(LAYERS + 1)[IDS.length - 1];
            float[] row = model.embeddings().vector(42);
            double logit = IntStream.range(0, state.length).mapToDouble(c -> state[c] * row[c]).sum();
            assertEquals(logit, session.logits()[42], 1e-5);
        }
    }

    /** What is watched is computed as ever, whatever the weights and keys are kept as. */
    @ParameterizedTest
    @EnumSource(WeightType.class)
    void watchingChangesNothing(WeightType type) {
        try (Model model = Model.open(directory, ModelOptions.DEFAULT.withWeights(type));
                Session watched = model.newSession(); Session unwatched = model.newSession()) {
            Capture capture = Capture.builder().hiddenStates().attention(0).attention(1).build();
            watched.append(IDS, capture);
            unwatched.append(IDS);
            assertArrayEquals(unwatched.logits(), watched.logits());
            watched.append(9);
            unwatched.append(9);
            assertArrayEquals(unwatched.logits(), watched.logits());
        }
    }
}
