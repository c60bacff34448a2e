package dev.isthmus.engine.api;

import dev.isthmus.engine.kernels.Draw;
import dev.isthmus.engine.model.LayerProbe;
import dev.isthmus.engine.sampling.LogProbabilities;
import dev.isthmus.engine.sampling.Sampler;
import dev.isthmus.engine.sampling.StopStrings;
import dev.isthmus.engine.sampling.TokenHistory;
import dev.isthmus.engine.session.ContextWindow;
import dev.isthmus.engine.session.LoadedModel;
import dev.isthmus.engine.session.Sequence;
import dev.isthmus.engine.session.TokenBuffer;
import dev.isthmus.engine.tokenizer.StreamDecoder;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;

/**
 * What follows a prompt: chooses one token after another from the logits behind the last, until the options say that the
 * text has ended. Its rules see the whole text, also what a context no longer holds. Not safe for use by several threads
 * at once.
 */
final class Continuation {

    private final GenerationOptions options;
    private final Sampler sampler;
    private final LogProbabilities logProbabilities = new LogProbabilities();
    private final Optional<StreamDecoder> decoder;
    private final StopStrings stop;
    private final Set<Integer> endOfText;
    private final int promptLength;
    /** How many tokens can be generated before the context is full. */
    private final int room;
    private final TokenBuffer text;
    private FinishReason finishReason;

    /** Begins after a prompt, in a context that does not slide. */
    Continuation(LoadedModel model, int[] prompt, GenerationOptions options) {
        this(model, prompt, options, ContextWindow.FIXED);
    }

    /**
     * Begins after a prompt, whose array is the continuation's from now on.
     *
     * @throws dev.isthmus.engine.errors.InvalidInputException if stop strings are given to a model without tokenizer,
     *     or an option names a token that is not in the vocabulary
     */
    Continuation(LoadedModel model, int[] prompt, GenerationOptions options, ContextWindow window) {
        options.check(model.config().vocabulary());
        if (!options.stop().isEmpty()) {
            model.tokenizer().require("generate with stop strings");
        }
        this.options = options;
        sampler = options.newSampler();
        decoder = model.tokenizer().tokenizer().map(tokenizer -> tokenizer.newStreamDecoder());
        stop = new StopStrings(options.stop());
        endOfText = options.stopAtEndOfText() ? Set.copyOf(model.config().endOfText()) : Set.of();
        promptLength = prompt.length;
        text = TokenBuffer.of(prompt);
        // The last token is chosen from the logits of the last position, and needs none itself.
        room = window.slides() ? Integer.MAX_VALUE : Math.max(0, model.config().context() - prompt.length + 1);
        if (room == 0) {
            finishReason = FinishReason.CONTEXT_FULL;
        }
    }

    /** The prompt and the tokens that were chosen since; not to be changed. */
    TokenBuffer text() {
        return text;
    }

    /** Why the text has ended; null while it goes on. */
    FinishReason finishReason() {
        return finishReason;
    }

    /** The next token of a sequence, which becomes part of it. */
    Token next(Sequence sequence, LayerProbe probe) {
        Optional<Draw> draw = sequence.canChoose() ? draw() : Optional.empty();
        int chosen = draw.isPresent() ? sequence.choose(draw.get(), probe) : -1;
        Token token = chosen >= 0 ? chosen(chosen) : next(sequence.currentLogits(probe));
        sequence.push(token.id());
        return token;
    }

    /** How kernels may choose the next token, where nobody needs its logits. */
    private Optional<Draw> draw() {
        return options.logprobs().isEmpty() ? sampler.draw() : Optional.empty();
    }

    /** Takes the token that kernels have chosen by {@link #draw}. */
    private Token chosen(int id) {
        sampler.drawn();
        return new Token(id, add(id), OptionalDouble.empty(), List.of());
    }

    /**
     * Chooses the next token.
     *
     * @param logits those behind the last token
     * @throws dev.isthmus.engine.errors.InvalidInputException if the options leave no token to choose
     */
    Token next(float[] logits) {
        int id = sampler.sample(logits, new TokenHistory(text.array(), text.length(), promptLength));
        String completed = add(id);
        return options.logprobs().isEmpty() ? new Token(id, completed, OptionalDouble.empty(), List.of())
                : withLogprobs(id, completed, logits, options.logprobs().getAsInt());
    }

    private String add(int id) {
        text.add(id);
        return completedText(id);
    }

    private Token withLogprobs(int id, String completed, float[] logits, int count) {
        double logSumExp = logProbabilities.logSumExp(logits);
        List<TokenLogprob> top = Arrays.stream(LogProbabilities.largest(logits, count))
                .mapToObj(each -> new TokenLogprob(each, logits[each] - logSumExp)).toList();
        return new Token(id, completed, OptionalDouble.of(logits[id] - logSumExp), top);
    }

    private String completedText(int id) {
        boolean ended = endOfText.contains(id);
        String piece = ended ? "" : decoder.map(d -> d.append(id)).orElse("");
        if (ended) {
            finishReason = FinishReason.END_OF_TEXT;
        } else if (text.length() - promptLength == options.maxTokens()) {
            finishReason = FinishReason.MAX_TOKENS;
        } else if (text.length() - promptLength == room) {
            finishReason = FinishReason.CONTEXT_FULL;
        }
        if (finishReason != null) {
            piece += decoder.map(StreamDecoder::flush).orElse("");
        }
        String completed = stop.accept(piece);
        if (stop.stopped()) {
            finishReason = FinishReason.STOP;
        } else if (finishReason != null) {
            completed += stop.flush();
        }
        return completed;
    }
}
