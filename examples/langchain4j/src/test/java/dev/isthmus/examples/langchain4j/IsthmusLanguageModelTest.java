package dev.isthmus.examples.langchain4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.isthmus.engine.api.GenerationOptions;
import dev.isthmus.engine.api.Model;
import dev.isthmus.engine.errors.InvalidInputException;
import dev.langchain4j.model.StreamingResponseHandler;
import dev.langchain4j.model.input.PromptTemplate;
import dev.langchain4j.model.language.LanguageModel;
import dev.langchain4j.model.output.FinishReason;
import dev.langchain4j.model.output.Response;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** LangChain4j reaches the model through the adapter. */
class IsthmusLanguageModelTest {
    private static Model model;
    private static IsthmusLanguageModel adapter;

    @BeforeAll
    static void open() {
        model = Model.open(Path.of(System.getProperty("demo.model")));
        adapter = new IsthmusLanguageModel(model, GenerationOptions.builder().greedy().maxTokens(12).build());
    }

    @AfterAll
    static void close() {
        model.close();
    }

    @Test
    void aPromptFromATemplateIsContinued() {
        LanguageModel languageModel = adapter;
        Response<String> response =
                languageModel.generate(PromptTemplate.from("{{name}}:").apply(Map.of("name", "KING HENRY")));
        assertEquals(12, response.tokenUsage().outputTokenCount());
        assertEquals(model.tokenizer().orElseThrow().encode("KING HENRY:").length,
                response.tokenUsage().inputTokenCount());
        assertEquals(FinishReason.LENGTH, response.finishReason());
    }

    @Test
    void theStreamedPiecesAreTheWholeText() {
        Recorder recorder = new Recorder();
        adapter.generate("KING HENRY:", recorder);
        assertNull(recorder.failure);
        assertEquals(adapter.generate("KING HENRY:").content(), recorder.pieces.toString());
        assertEquals(adapter.generate("KING HENRY:"), recorder.whole);
    }

    @Test
    void whatGoesWrongIsThrownOrHandedOver() {
        assertThrows(InvalidInputException.class, () -> adapter.generate(""));
        Recorder recorder = new Recorder();
        adapter.generate("", recorder);
        assertInstanceOf(InvalidInputException.class, recorder.failure);
        assertNull(recorder.whole);
    }

    private static final class Recorder implements StreamingResponseHandler<String> {
        private final StringBuilder pieces = new StringBuilder();
        private Response<String> whole;
        private Throwable failure;

        @Override
        public void onNext(String piece) {
            pieces.append(piece);
        }

        @Override
        public void onComplete(Response<String> response) {
            whole = response;
        }

        @Override
        public void onError(Throwable error) {
            failure = error;
        }
    }
}
