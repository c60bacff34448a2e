package dev.isthmus.engine.api;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.EngineException;
import dev.isthmus.engine.errors.InvalidInputException;
import dev.isthmus.engine.errors.UnsupportedModelException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** Models whose tokenizer is another one than GPT-2's, incomplete, or smaller than the model. */
class TokenizerResultTest {

    private static final ModelOptions OPTIONS = ModelOptions.DEFAULT.withBackend(BackendChoice.REFERENCE);

    @TempDir
    private Path directory;

    @BeforeEach
    void writeModel() throws IOException {
        TinyModel.write(directory);
    }

    private void write(String name, String content) throws IOException {
        Files.writeString(directory.resolve(name), content);
    }

    private static void assertTakesIdsOnly(Model model, Class<? extends EngineException> refusal, String reason) {
        assertEquals(Optional.empty(), model.tokenizer());
        assertTrue(model.tokenizerFault().orElseThrow().contains(reason), model.tokenizerFault().toString());
        GenerationOptions greedy = GenerationOptions.builder().temperature(0).maxTokens(3).build();
        try (Session session = model.newSession()) {
            session.append(1, 2);
            assertEquals(3, session.generate(greedy).stream().count());
            assertEquals(2, model.score(new int[] {1, 2, 3}, 1).tokenLogprobs().length);
            for (Executable call : List.<Executable>of(() -> session.append("a"), () -> model.score("ab"),
                    () -> model.embed("a", Pooling.MEAN),
                    () -> session.generate(greedy.toBuilder().stop("x").build()).stream().count())) {
                String message = assertThrows(refusal, call).getMessage();
                assertTrue(message.contains(reason) && message.contains("pass token ids"), message);
            }
        }
    }

    @Test
    void anUnsupportedTokenizerLeavesIdsUsable() throws IOException {
        write("tokenizer.json", """
                {"normalizer": {"type": "BertNormalizer"}, "pre_tokenizer": {"type": "BertPreTokenizer"},
                 "model": {"type": "WordPiece", "vocab": {"[UNK]": 0}, "unk_token": "[UNK]"}}""");
        try (Model model = Model.open(directory, OPTIONS)) {
            assertTakesIdsOnly(model, UnsupportedModelException.class, "WordPiece");
        }
    }

    @Test
    void anUntypedUnigramTokenizerLeavesIdsUsable() throws IOException {
        write("tokenizer.json", "{\"model\": {\"unk_id\": 0, \"vocab\": [[\"<unk>\", 0.0], [\"a\", -1.5]]}}");
        try (Model model = Model.open(directory, OPTIONS)) {
            assertTakesIdsOnly(model, UnsupportedModelException.class, "model: vocab");
        }
    }

    @Test
    void halfATokenizerLeavesIdsUsable() throws IOException {
        Files.delete(directory.resolve("merges.txt"));
        try (Model model = Model.open(directory, OPTIONS)) {
            assertTakesIdsOnly(model, UnsupportedModelException.class, "merges.txt: is missing");
        }
    }

    @Test
    void noTokenizerLeavesIdsUsable() throws IOException {
        Files.delete(directory.resolve("merges.txt"));
        Files.delete(directory.resolve("vocab.json"));
        try (Model model = Model.open(directory, OPTIONS)) {
            assertTakesIdsOnly(model, InvalidInputException.class, "the model has no tokenizer");
        }
    }

    @Test
    void aDamagedTokenizerIsAnErrorAtOnce() throws IOException {
        write("vocab.json", "{\"a\": 0");
        assertThrows(CheckpointException.class, () -> Model.open(directory, OPTIONS));
    }

    /** Only "a" and <|endoftext|> have tokens; greedy choices fall on the 257 ids that have none. */
    @Test
    void idsWithoutATokenAreEmptyTextEverywhere() throws IOException {
        write("vocab.json", "{\"a\": 0, \"<|endoftext|>\": 258}");
        write("merges.txt", "");
        GenerationOptions options = GenerationOptions.builder().temperature(0).maxTokens(4).stopAtEndOfText(false)
                .stop("never").build();
        try (Model model = Model.open(directory, OPTIONS); Session session = model.newSession();
                BatchingExecutor executor = model.newBatchingExecutor(BatchingOptions.DEFAULT)) {
            session.append(100, 0);
            List<Token> expected;
            try (Session fork = session.fork()) {
                expected = fork.generate(options).stream().toList();
            }
            assertEquals(4, expected.size());
            assertTrue(expected.stream().anyMatch(token -> token.id() > 0 && token.id() < 258), expected.toString());
            expected.stream().filter(token -> token.id() > 0 && token.id() < 258)
                    .forEach(token -> assertEquals("", token.text()));
            assertEquals(expected,
                    executor.submit(GenerationRequest.of(new int[] {100, 0}, options)).result().join().tokens());
            GenerationOptions beams = options.toBuilder().stop().build();
            try (CompletionSearch search = session.beamSearch(beams, BeamOptions.of(2))) {
                assertEquals(4, search.run().getFirst().ids().size());
            }
            assertEquals("a", model.tokenizer().orElseThrow().decode(100, 0));
        }
    }
}
