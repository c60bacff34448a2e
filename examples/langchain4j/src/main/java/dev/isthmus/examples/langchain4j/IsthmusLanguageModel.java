package dev.isthmus.examples.langchain4j;

import dev.isthmus.engine.api.Generation;
import dev.isthmus.engine.api.GenerationOptions;
import dev.isthmus.engine.api.Model;
import dev.isthmus.engine.api.Session;
import dev.isthmus.engine.api.Token;
import dev.langchain4j.model.StreamingResponseHandler;
import dev.langchain4j.model.language.LanguageModel;
import dev.langchain4j.model.language.StreamingLanguageModel;
import dev.langchain4j.model.output.FinishReason;
import dev.langchain4j.model.output.Response;
import dev.langchain4j.model.output.TokenUsage;
import java.util.function.Consumer;

/**
 * A GPT-2 model as LangChain4j's language model, whole or streaming. GPT-2 continues texts and knows no roles, so it is no
 * chat model. Any number of threads may use it. The model stays the caller's to close.
 *
 * @param model the model, which has a tokenizer
 * @param options how to continue
 */
public record IsthmusLanguageModel(Model model, GenerationOptions options)
        implements LanguageModel, StreamingLanguageModel {

    /** Continues a prompt; what the engine throws, an {@code EngineException}, comes out as it is. */
    @Override
    public Response<String> generate(String prompt) {
        return generate(prompt, (Consumer<String>) text -> {});
    }

    /** Continues a prompt on the caller's thread, telling the handler of each piece of text and of what goes wrong. */
    @Override
    public void generate(String prompt, StreamingResponseHandler<String> handler) {
        Response<String> response;
        try {
            response = generate(prompt, (Consumer<String>) handler::onNext);
        } catch (RuntimeException failure) {
            handler.onError(failure);
            return;
        }
        handler.onComplete(response);
    }

    private Response<String> generate(String prompt, Consumer<String> pieces) {
        try (Session session = model.newSession()) {
            session.append(prompt);
            int promptTokens = session.length();
            StringBuilder text = new StringBuilder();
            Generation generation = session.generate(options);
            for (Token token : generation) {
                pieces.accept(token.text());
                text.append(token.text());
            }
            return Response.from(text.toString(), new TokenUsage(promptTokens, session.length() - promptTokens),
                    reason(generation.finishReason().orElseThrow()));
        }
    }

    private static FinishReason reason(dev.isthmus.engine.api.FinishReason reason) {
        return switch (reason) {
            case END_OF_TEXT, STOP -> FinishReason.STOP;
            case MAX_TOKENS, CONTEXT_FULL -> FinishReason.LENGTH;
            case CANCELLED -> FinishReason.OTHER;
        };
    }
}
