package dev.isthmus.engine.api;

import dev.isthmus.engine.checks.Arguments;
import dev.isthmus.engine.errors.InvalidInputException;
import dev.isthmus.engine.sampling.LogitsRule;
import dev.isthmus.engine.sampling.LogitsRules;
import dev.isthmus.engine.sampling.Sampler;
import dev.isthmus.engine.sampling.TokenHistory;
import dev.isthmus.engine.sampling.Truncation;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;

/**
 * How to continue a text. Immutable; made by {@link #builder()}.
 *
 * <p>What changes the logits is applied in the order of Hugging Face's {@code generate}: {@code logitBias}, {@code
 * repetitionPenalty}, {@code noRepeatNgram}, {@code banned}, {@code forcedFirst}, {@code forcedLast}, the presence and
 * frequency penalty (which it lacks), {@code processors}, {@code temperature}, {@code topK}, {@code topP},
 * {@code minP}, {@code typicalP}. At temperature 0 the last four have no effect.
 *
 * @param maxTokens the most tokens to generate, ≥ 1
 * @param temperature what logits are divided by, ≥ 0; 0 takes the likeliest token each time (greedy)
 * @param topK sample among the K likeliest tokens only; 0 for all
 * @param topP sample among the fewest tokens whose probabilities reach P, in (0, 1]; 1 for all
 * @param minP sample among the tokens that are at least this part as likely as the likeliest, in [0, 1]; 0 for all
 * @param typicalP sample among the tokens nearest to the expected surprise whose probabilities reach P, in (0, 1];
 *     1 for all
 * @param seed what makes sampling repeatable: the same seed, the same text
 * @param repetitionPenalty above 1 makes each token of the text, prompt included, less likely to come again (Keskar et
 *     al., "CTRL", 2019); > 0, 1 for nothing
 * @param presencePenalty taken from the logit of each token generated so far, as OpenAI's API defines it; 0 for nothing
 * @param frequencyPenalty taken from the logit of a token once for each time it was generated so far, as OpenAI's API
 *     defines it; 0 for nothing
 * @param noRepeatNgram no sequence of so many tokens comes twice, prompt included; 0 for any may
 * @param logitBias numbers that are added to the logits of some tokens, by their ids
 * @param banned sequences of tokens that do not appear: the last token of one never follows the others
 * @param forcedFirst the token generated first; empty for any
 * @param forcedLast the token generated when {@code maxTokens} is reached; empty for any
 * @param processors the caller's own rules
 * @param stop strings that end the text; neither they nor what follows is returned
 * @param stopAtEndOfText whether the model's end-of-text token ends the generation
 * @param logprobs how many of the likeliest tokens come with each token; 0 for the token's own log-probability only,
 *     empty for nothing, which costs nothing
 */
public record GenerationOptions(int maxTokens, double temperature, int topK, double topP, double minP, double typicalP,
        long seed, double repetitionPenalty, double presencePenalty, double frequencyPenalty, int noRepeatNgram,
        Map<Integer, Double> logitBias, List<List<Integer>> banned, OptionalInt forcedFirst, OptionalInt forcedLast,
        List<LogitsProcessor> processors, List<String> stop, boolean stopAtEndOfText, OptionalInt logprobs) {

    private static final String WHAT = "generation options";

    /** 64 tokens, temperature 0.8, seed 0, and nothing else. */
    public static final GenerationOptions DEFAULT = builder().build();

    /**
     * Checks the values.
     *
     * @throws InvalidInputException if one is out of range
     */
    public GenerationOptions {
        logitBias = copyOf(logitBias);
        banned = Arguments.nonNullElements(banned, WHAT, "banned").stream()
                .map(sequence -> Arguments.nonNullElements(sequence, WHAT, "banned")).toList();
        processors = Arguments.nonNullElements(processors, WHAT, "processors");
        stop = Arguments.nonNullElements(stop, WHAT, "stop");
        Arguments.nonNull(forcedFirst, WHAT, "forcedFirst");
        Arguments.nonNull(forcedLast, WHAT, "forcedLast");
        Arguments.nonNull(logprobs, WHAT, "logprobs");
        require(maxTokens >= 1, "max tokens must be >= 1, found " + maxTokens);
        require(temperature >= 0 && Double.isFinite(temperature),
                "temperature must be a finite number >= 0, found " + temperature);
        require(topK >= 0, "top-k must be >= 0 (0: all tokens), found " + topK);
        require(topP > 0 && topP <= 1, "top-p must be in (0, 1], found " + topP);
        require(minP >= 0 && minP <= 1, "min-p must be in [0, 1], found " + minP);
        require(typicalP > 0 && typicalP <= 1, "typical-p must be in (0, 1], found " + typicalP);
        require(repetitionPenalty > 0 && Double.isFinite(repetitionPenalty),
                "repetition penalty must be a finite number > 0 (1: none), found " + repetitionPenalty);
        require(Double.isFinite(presencePenalty), "presence penalty must be a finite number, found " + presencePenalty);
        require(Double.isFinite(frequencyPenalty),
                "frequency penalty must be a finite number, found " + frequencyPenalty);
        require(noRepeatNgram >= 0, "no-repeat n-gram must be >= 0 (0: none), found " + noRepeatNgram);
        logitBias.forEach((id, bias) -> require(bias < Double.POSITIVE_INFINITY,
                "logit bias of token " + id + " must be a number below infinity, found " + bias));
        require(banned.stream().noneMatch(List::isEmpty), "a banned sequence must have at least one token");
        require(stop.stream().noneMatch(String::isEmpty), "a stop string must not be empty");
        require(logprobs.orElse(0) >= 0, "logprobs must be >= 0, found " + logprobs.orElse(0));
    }

    private static Map<Integer, Double> copyOf(Map<Integer, Double> logitBias) {
        Arguments.nonNull(logitBias, WHAT, "logitBias").forEach((id, bias) -> {
            Arguments.nonNull(id, WHAT, "a token of logitBias");
            Arguments.nonNull(bias, WHAT, "a number of logitBias");
        });
        return Map.copyOf(logitBias);
    }

    private static void require(boolean condition, String message) {
        if (!condition) {
            throw new InvalidInputException(WHAT + ": " + message);
        }
    }

    /** {@return a builder that holds the defaults} */
    public static Builder builder() {
        return new Builder();
    }

    /** {@return a builder that holds these values} */
    public Builder toBuilder() {
        return new Builder(this);
    }

    /**
     * Checks what depends on the model.
     *
     * @throws InvalidInputException if a token is not in the vocabulary, or more log-probabilities are wanted than it
     *     has tokens
     */
    void check(int vocabulary) {
        List<Integer> ids = new ArrayList<>(logitBias.keySet());
        banned.forEach(ids::addAll);
        forcedFirst.ifPresent(ids::add);
        forcedLast.ifPresent(ids::add);
        for (int id : ids) {
            require(id >= 0 && id < vocabulary, "token id " + id + " is not in the model's vocabulary of 0.."
                    + (vocabulary - 1));
        }
        require(logprobs.orElse(0) <= vocabulary, "logprobs must be at most " + vocabulary
                + ", the model's vocabulary, found " + logprobs.orElse(0));
    }

    /** What changes the logits before temperature and truncation, in order. */
    List<LogitsRule> rules() {
        List<LogitsRule> rules = new ArrayList<>();
        if (!logitBias.isEmpty()) {
            rules.add(LogitsRules.bias(logitBias));
        }
        if (repetitionPenalty != 1) {
            rules.add(LogitsRules.repetitionPenalty(repetitionPenalty));
        }
        if (noRepeatNgram > 0) {
            rules.add(LogitsRules.noRepeatNgram(noRepeatNgram));
        }
        if (!banned.isEmpty()) {
            rules.add(LogitsRules.banned(banned));
        }
        forcedFirst.ifPresent(id -> rules.add(LogitsRules.forced(id, 0)));
        forcedLast.ifPresent(id -> rules.add(LogitsRules.forced(id, maxTokens - 1)));
        if (presencePenalty != 0 || frequencyPenalty != 0) {
            rules.add(LogitsRules.countPenalty(presencePenalty, frequencyPenalty));
        }
        for (LogitsProcessor processor : processors) {
            rules.add((TokenHistory history, float[] logits) -> processor.process(history.toArray(), logits));
        }
        return rules;
    }

    /** A sampler that these options describe. */
    Sampler newSampler() {
        return new Sampler(temperature, new Truncation(topK, topP, minP, typicalP), seed, rules());
    }

    /** Collects options. Used by one thread. */
    public static final class Builder {

        private int maxTokens = 64;
        private double temperature = 0.8;
        private int topK;
        private double topP = 1;
        private double minP;
        private double typicalP = 1;
        private long seed;
        private double repetitionPenalty = 1;
        private double presencePenalty;
        private double frequencyPenalty;
        private int noRepeatNgram;
        private Map<Integer, Double> logitBias = Map.of();
        private List<List<Integer>> banned = List.of();
        private OptionalInt forcedFirst = OptionalInt.empty();
        private OptionalInt forcedLast = OptionalInt.empty();
        private List<LogitsProcessor> processors = List.of();
        private List<String> stop = List.of();
        private boolean stopAtEndOfText = true;
        private OptionalInt logprobs = OptionalInt.empty();

        private Builder() {}

        private static <T> List<T> elements(T[] value) {
            return Arguments.nonNullElements(Arrays.asList(Arguments.nonNull(value, WHAT, "value")), WHAT, "value");
        }

        private Builder(GenerationOptions from) {
            maxTokens = from.maxTokens;
            temperature = from.temperature;
            topK = from.topK;
            topP = from.topP;
            minP = from.minP;
            typicalP = from.typicalP;
            seed = from.seed;
            repetitionPenalty = from.repetitionPenalty;
            presencePenalty = from.presencePenalty;
            frequencyPenalty = from.frequencyPenalty;
            noRepeatNgram = from.noRepeatNgram;
            logitBias = from.logitBias;
            banned = from.banned;
            forcedFirst = from.forcedFirst;
            forcedLast = from.forcedLast;
            processors = from.processors;
            stop = from.stop;
            stopAtEndOfText = from.stopAtEndOfText;
            logprobs = from.logprobs;
        }

        /**
         * {@return the options}
         *
         * @throws InvalidInputException if a value is out of range
         */
        public GenerationOptions build() {
            return new GenerationOptions(maxTokens, temperature, topK, topP, minP, typicalP, seed, repetitionPenalty,
                    presencePenalty, frequencyPenalty, noRepeatNgram, logitBias, banned, forcedFirst, forcedLast,
                    processors, stop, stopAtEndOfText, logprobs);
        }

        /**
         * The likeliest token each time: temperature 0.
         *
         * @return this builder
         */
        public Builder greedy() {
            return temperature(0);
        }

        /**
         * Sets the most tokens to generate; see {@link GenerationOptions#maxTokens()}.
         *
         * @param value at least 1
         * @return this builder
         */
        public Builder maxTokens(int value) {
            maxTokens = value;
            return this;
        }

        /**
         * Sets what logits are divided by; see {@link GenerationOptions#temperature()}.
         *
         * @param value at least 0; 0 takes the likeliest token
         * @return this builder
         */
        public Builder temperature(double value) {
            temperature = value;
            return this;
        }

        /**
         * Sets how many of the likeliest tokens to sample among; see {@link GenerationOptions#topK()}.
         *
         * @param value 0 for all
         * @return this builder
         */
        public Builder topK(int value) {
            topK = value;
            return this;
        }

        /**
         * Sets the probability of the tokens to sample among; see {@link GenerationOptions#topP()}.
         *
         * @param value above 0, at most 1
         * @return this builder
         */
        public Builder topP(double value) {
            topP = value;
            return this;
        }

        /**
         * Sets the least probability to sample, as a part of the largest; see {@link GenerationOptions#minP()}.
         *
         * @param value 0 to 1
         * @return this builder
         */
        public Builder minP(double value) {
            minP = value;
            return this;
        }

        /**
         * Sets the probability of the most typical tokens to sample among; see {@link GenerationOptions#typicalP()}.
         *
         * @param value above 0, at most 1
         * @return this builder
         */
        public Builder typicalP(double value) {
            typicalP = value;
            return this;
        }

        /**
         * Sets what makes sampling repeatable; see {@link GenerationOptions#seed()}.
         *
         * @param value any
         * @return this builder
         */
        public Builder seed(long value) {
            seed = value;
            return this;
        }

        /**
         * Sets how much less likely tokens come again; see {@link GenerationOptions#repetitionPenalty()}.
         *
         * @param value above 0; 1 for none
         * @return this builder
         */
        public Builder repetitionPenalty(double value) {
            repetitionPenalty = value;
            return this;
        }

        /**
         * Sets what tokens lose that were generated before; see {@link GenerationOptions#presencePenalty()}.
         *
         * @param value 0 for none
         * @return this builder
         */
        public Builder presencePenalty(double value) {
            presencePenalty = value;
            return this;
        }

        /**
         * Sets what tokens lose for each time that they were generated; see
         * {@link GenerationOptions#frequencyPenalty()}.
         *
         * @param value 0 for none
         * @return this builder
         */
        public Builder frequencyPenalty(double value) {
            frequencyPenalty = value;
            return this;
        }

        /**
         * Sets the length of the sequences that do not come twice; see {@link GenerationOptions#noRepeatNgram()}.
         *
         * @param value 0 for none
         * @return this builder
         */
        public Builder noRepeatNgram(int value) {
            noRepeatNgram = value;
            return this;
        }

        /**
         * Sets what is added to the logits of some tokens; see {@link GenerationOptions#logitBias()}.
         *
         * @param value by token
         * @return this builder
         */
        public Builder logitBias(Map<Integer, Double> value) {
            logitBias = copyOf(Arguments.nonNull(value, WHAT, "value"));
            return this;
        }

        /**
         * Sets the sequences of tokens that do not appear; see {@link GenerationOptions#banned()}.
         *
         * @param value each at least one token
         * @return this builder
         */
        public Builder banned(List<List<Integer>> value) {
            banned = Arguments.nonNullElements(value, WHAT, "value");
            return this;
        }

        /**
         * Sets the token generated first; see {@link GenerationOptions#forcedFirst()}.
         *
         * @param value the token
         * @return this builder
         */
        public Builder forcedFirst(int value) {
            forcedFirst = OptionalInt.of(value);
            return this;
        }

        /**
         * Sets the token generated when the most tokens are reached; see {@link GenerationOptions#forcedLast()}.
         *
         * @param value the token
         * @return this builder
         */
        public Builder forcedLast(int value) {
            forcedLast = OptionalInt.of(value);
            return this;
        }

        /**
         * Sets the caller's own rules; see {@link GenerationOptions#processors()}.
         *
         * @param value in the order in which they run
         * @return this builder
         */
        public Builder processors(LogitsProcessor... value) {
            processors = elements(value);
            return this;
        }

        /**
         * Sets the strings that end the text; see {@link GenerationOptions#stop()}.
         *
         * @param value none of them empty
         * @return this builder
         */
        public Builder stop(String... value) {
            stop = elements(value);
            return this;
        }

        /**
         * Sets whether the end-of-text token ends the generation; see {@link GenerationOptions#stopAtEndOfText()}.
         *
         * @param value whether it does
         * @return this builder
         */
        public Builder stopAtEndOfText(boolean value) {
            stopAtEndOfText = value;
            return this;
        }

        /**
         * Sets how many of the likeliest tokens come with each token; see {@link GenerationOptions#logprobs()}.
         *
         * @param value 0 for the chosen one only
         * @return this builder
         */
        public Builder logprobs(int value) {
            logprobs = OptionalInt.of(value);
            return this;
        }
    }
}
