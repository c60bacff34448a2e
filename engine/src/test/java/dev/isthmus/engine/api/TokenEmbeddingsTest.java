package dev.isthmus.engine.api;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.errors.ClosedException;
import dev.isthmus.engine.errors.InvalidInputException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class TokenEmbeddingsTest {

    @TempDir
    static Path directory;

    @BeforeAll
    static void write() throws IOException {
        TinyModel.write(directory);
    }

    private static Model open(BackendChoice backend, WeightType type) {
        return Model.open(directory, ModelOptions.DEFAULT.withBackend(backend).withWeights(type));
    }

    /** The C kernels pack the matrix, the reference kernels do not. */
    @ParameterizedTest
    @EnumSource(WeightType.class)
    void vectorsAndNeighborsAreTheSameHoweverTheMatrixLies(WeightType type) {
        try (Model packed = open(BackendChoice.CPU, type); Model plain = open(BackendChoice.REFERENCE, type)) {
            for (int id = 0; id < TinyModel.VOCABULARY; id++) {
                assertArrayEquals(plain.embeddings().vector(id), packed.embeddings().vector(id), "token " + id);
            }
            assertEquals(plain.embeddings().nearest(17, 300), packed.embeddings().nearest(17, 300));
        }
    }

    @Test
    void allOtherTokensCanBeListedAndComeNearestFirst() {
        try (Model model = Model.open(directory)) {
            List<Neighbor> all = model.embeddings().nearest('x', 1000);
            assertEquals(TinyModel.VOCABULARY - 1, all.stream().map(Neighbor::id).distinct().count());
            assertTrue(all.stream().noneMatch(each -> each.id() == 'x'));
            for (int i = 1; i < all.size(); i++) {
                assertTrue(all.get(i - 1).similarity() >= all.get(i).similarity());
            }
            Neighbor nearest = all.getFirst();
            assertEquals(model.tokenizer().orElseThrow().decode(nearest.id()), nearest.text());
        }
    }

    /** a − a + b is b, and b itself is left out, so its own neighbors are found. */
    @Test
    void anAnalogyLeavesOutTheTokensThatItIsMadeOf() {
        try (Model model = Model.open(directory)) {
            List<Integer> found = model.embeddings().analogy('a', 'a', 'b', 4).stream().map(Neighbor::id).toList();
            assertEquals(model.embeddings().nearest('b', 5).stream().map(Neighbor::id).filter(id -> id != 'a').limit(4)
                    .toList(), found);
        }
    }

    @Test
    void aTokenIsFoundByItsText() {
        try (Model model = Model.open(directory)) {
            assertEquals(257, model.embeddings().token("hel"));
            String message = assertThrows(InvalidInputException.class, () -> model.embeddings().token("hello"))
                    .getMessage();
            assertTrue(message.contains("\"hello\" of 3"), message);
        }
    }

    @Test
    void whatIsNoTokenOrHasNoDirectionIsRefused() {
        try (Model model = Model.open(directory)) {
            TokenEmbeddings embeddings = model.embeddings();
            assertThrows(InvalidInputException.class, () -> embeddings.vector(TinyModel.VOCABULARY));
            assertThrows(InvalidInputException.class, () -> embeddings.nearest(-1, 1));
            assertThrows(InvalidInputException.class, () -> embeddings.nearest(1, 0));
            assertThrows(InvalidInputException.class, () -> embeddings.nearest(new float[23], 1));
            assertThrows(InvalidInputException.class, () -> embeddings.nearest(new float[24], 1));
            float[] broken = new float[24];
            broken[3] = Float.NaN;
            assertThrows(InvalidInputException.class, () -> embeddings.nearest(broken, 1));
        }
    }

    @Test
    void withTheModelTheyAreClosed() {
        Model model = Model.open(directory);
        TokenEmbeddings embeddings = model.embeddings();
        model.close();
        assertThrows(ClosedException.class, () -> embeddings.vector(1));
        assertThrows(ClosedException.class, () -> embeddings.nearest(1, 1));
    }
}
