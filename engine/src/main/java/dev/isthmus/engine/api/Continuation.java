package dev.isthmus.engine.api;

import dev.isthmus.engine.kernels.Draw;
import dev.isthmus.engine.sampling.LogProbabilities;
import dev.isthmus.engine.sampling.Sampler;
import dev.isthmus.engine.sampling.StopStrings;
import dev.isthmus.engine.sampling.TokenHistory;
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
    private int maxLength = Integer.MAX_VALUE;
    private int[] text;
    private int length;
    private FinishReason finishReason;

    /**
     * Begins behind a prompt.
     *
     * @throws dev.isthmus.engine.errors.InvalidInputException if stop strings are given to a model without tokenizer,
     *     or an option names a token that is not in the vocabulary
     */
    Continuation(Model model, int[] prompt, GenerationOptions options) {
        options.check(model.config().vocabulary());
        if (!options.stop().isEmpty()) {
            model.requireTokenizer("generate with stop strings");
        }
        this.options = options;
        sampler = options.newSampler();
        decoder = model.tokenizer().map(tokenizer -> tokenizer.newStreamDecoder());
        stop = new StopStrings(options.stop());
        endOfText = options.stopAtEndOfText() ? Set.copyOf(model.config().endOfText()) : Set.of();
        promptLength = prompt.length;
        text = prompt.clone();
        length = prompt.length;
    }

    /** Ends the text with {@link FinishReason#CONTEXT_FULL} when prompt and generated tokens together are {@code length}. */
    void endAt(int length) {
        maxLength = length;
    }

    /** Why the text has ended; null while it goes on. */
    FinishReason finishReason() {
        return finishReason;
    }

    /** How kernels may choose the next token, where nobody needs its logits. */
    Optional<Draw> draw() {
        return options.logprobs().isEmpty() ? sampler.draw() : Optional.empty();
    }

    /** Takes the token that kernels have chosen by {@link #draw}. */
    Token chosen(int id) {
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
        int id = sampler.sample(logits, new TokenHistory(text, length, promptLength));
        String completed = add(id);
        return options.logprobs().isEmpty() ? new Token(id, completed, OptionalDouble.empty(), List.of())
                : withLogprobs(id, completed, logits, options.logprobs().getAsInt());
    }

    private String add(int id) {
        if (length == text.length) {
            text = Arrays.copyOf(text, 2 * length + 16);
        }
        text[length++] = id;
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
        } else if (length - promptLength == options.maxTokens()) {
            finishReason = FinishReason.MAX_TOKENS;
        } else if (length >= maxLength) {
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
