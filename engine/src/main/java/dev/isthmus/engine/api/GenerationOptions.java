package dev.isthmus.engine.api;

import dev.isthmus.engine.checks.Arguments;
import dev.isthmus.engine.errors.InvalidInputException;
import dev.isthmus.engine.sampling.LogitsRule;
import dev.isthmus.engine.sampling.Sampler;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalInt;

/**
 * How to continue a text. Immutable; made by {@link #builder()}.
 *
 * <p>What changes the logits is applied in the order of Hugging Face's {@code generate}: {@code logitBias}, {@code
 * repetitionPenalty}, {@code noRepeatNgram}, {@code banned}, {@code forcedFirst}, {@code forcedLast}, the presence and
 * frequency penalty (which it lacks), {@code processors}, {@code temperature}, {@code topK}, {@code topP},
 * {@code minP}, {@code typicalP}. At temperature 0 the last four have no effect.
 */
public final class GenerationOptions {

    /** What messages about options begin with. */
    static final String WHAT = "generation options";

    /** 64 tokens, temperature 0.8, seed 0, and nothing else. */
    public static final GenerationOptions DEFAULT = builder().build();

    private final Sampling sampling;
    private final Penalties penalties;
    private final Limits limits;
    private final List<LogitsProcessor> processors;
    private final OptionalInt logprobs;

    private GenerationOptions(Builder from) {
        sampling = new Sampling(from.temperature, from.topK, from.topP, from.minP, from.typicalP, from.seed);
        penalties = new Penalties(from.repetitionPenalty, from.presencePenalty, from.frequencyPenalty,
                from.noRepeatNgram, from.logitBias, from.banned);
        limits = new Limits(from.maxTokens, from.forcedFirst, from.forcedLast, from.stop, from.stopAtEndOfText);
        processors = from.processors;
        logprobs = from.logprobs;
        require(logprobs.orElse(0) >= 0, "logprobs must be >= 0, found " + logprobs.orElse(0));
    }

    /** Throws an {@link InvalidInputException} about options unless a condition holds. */
    static void require(boolean condition, String message) {
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

    /** {@return the most tokens to generate, ≥ 1} */
    public int maxTokens() {
        return limits.maxTokens();
    }

    /** {@return what logits are divided by, ≥ 0; 0 takes the likeliest token each time (greedy)} */
    public double temperature() {
        return sampling.temperature();
    }

    /** {@return K: sample among the K likeliest tokens only; 0 for all} */
    public int topK() {
        return sampling.topK();
    }

    /** {@return P in (0, 1]: sample among the fewest tokens whose probabilities reach P; 1 for all} */
    public double topP() {
        return sampling.topP();
    }

    /** {@return the part in [0, 1] of the likeliest token's probability that a token must have; 0 for all} */
    public double minP() {
        return sampling.minP();
    }

    /**
     * {@return P in (0, 1]: sample among the tokens nearest to the expected surprise whose probabilities
     * reach P; 1 for all}
     */
    public double typicalP() {
        return sampling.typicalP();
    }

    /** {@return what makes sampling repeatable: the same seed, the same text} */
    public long seed() {
        return sampling.seed();
    }

    /**
     * {@return the penalty, above 0, that above 1 makes each token of the text, prompt included, less likely to come again
     * (Keskar et al., "CTRL", 2019); 1 for nothing}
     */
    public double repetitionPenalty() {
        return penalties.repetitionPenalty();
    }

    /**
     * {@return what is taken from the logit of each token generated so far, as OpenAI's API defines it; 0 for
     * nothing}
     */
    public double presencePenalty() {
        return penalties.presencePenalty();
    }

    /**
     * {@return what is taken from the logit of a token once for each time it was generated so far, as OpenAI's API
     * defines it; 0 for nothing}
     */
    public double frequencyPenalty() {
        return penalties.frequencyPenalty();
    }

    /** {@return the length of the sequences of which none comes twice, prompt included; 0 for any may} */
    public int noRepeatNgram() {
        return penalties.noRepeatNgram();
    }

    /** {@return the numbers that are added to the logits of some tokens, by their ids} */
    public Map<Integer, Double> logitBias() {
        return penalties.logitBias();
    }

    /** {@return the sequences of tokens that do not appear: the last token of one never follows the others} */
    public List<List<Integer>> banned() {
        return penalties.banned();
    }

    /** {@return the token generated first; empty for any} */
    public OptionalInt forcedFirst() {
        return limits.forcedFirst();
    }

    /** {@return the token generated when {@link #maxTokens} is reached; empty for any} */
    public OptionalInt forcedLast() {
        return limits.forcedLast();
    }

    /** {@return the caller's own rules, in the order in which they run} */
    public List<LogitsProcessor> processors() {
        return processors;
    }

    /** {@return the strings that end the text; neither they nor what follows is returned} */
    public List<String> stop() {
        return limits.stop();
    }

    /** {@return whether the model's end-of-text token ends the generation} */
    public boolean stopAtEndOfText() {
        return limits.stopAtEndOfText();
    }

    /**
     * {@return how many of the likeliest tokens come with each token; 0 for the token's own log-probability only, empty
     * for nothing, which costs nothing}
     */
    public OptionalInt logprobs() {
        return logprobs;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof GenerationOptions options && sampling.equals(options.sampling)
                && penalties.equals(options.penalties) && limits.equals(options.limits)
                && processors.equals(options.processors) && logprobs.equals(options.logprobs);
    }

    @Override
    public int hashCode() {
        return Objects.hash(sampling, penalties, limits, processors, logprobs);
    }

    @Override
    public String toString() {
        return "GenerationOptions[" + sampling + ", " + penalties + ", " + limits + ", processors=" + processors
                + ", logprobs=" + logprobs + "]";
    }

    /**
     * Checks what depends on the model.
     *
     * @throws InvalidInputException if a token is not in the vocabulary, or more log-probabilities are wanted than it
     *     has tokens
     */
    void check(int vocabulary) {
        List<Integer> ids = new ArrayList<>(penalties.logitBias().keySet());
        penalties.banned().forEach(ids::addAll);
        limits.forcedFirst().ifPresent(ids::add);
        limits.forcedLast().ifPresent(ids::add);
        for (int id : ids) {
            require(id >= 0 && id < vocabulary, "token id " + id + " is not in the model's vocabulary of 0.."
                    + (vocabulary - 1));
        }
        require(logprobs.orElse(0) <= vocabulary, "logprobs must be at most " + vocabulary
                + ", the model's vocabulary, found " + logprobs.orElse(0));
    }

    /** The rules that change the logits before temperature and truncation, in order. */
    List<LogitsRule> rules() {
        return GenerationRules.of(this);
    }

    /** A sampler that these options describe. */
    Sampler newSampler() {
        return sampling.newSampler(rules());
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
            maxTokens = from.maxTokens();
            temperature = from.temperature();
            topK = from.topK();
            topP = from.topP();
            minP = from.minP();
            typicalP = from.typicalP();
            seed = from.seed();
            repetitionPenalty = from.repetitionPenalty();
            presencePenalty = from.presencePenalty();
            frequencyPenalty = from.frequencyPenalty();
            noRepeatNgram = from.noRepeatNgram();
            logitBias = from.logitBias();
            banned = from.banned();
            forcedFirst = from.forcedFirst();
            forcedLast = from.forcedLast();
            processors = from.processors();
            stop = from.stop();
            stopAtEndOfText = from.stopAtEndOfText();
            logprobs = from.logprobs();
        }

        /**
         * {@return the options}
         *
         * @throws InvalidInputException if a value is out of range
         */
        public GenerationOptions build() {
            return new GenerationOptions(this);
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
            logitBias = Penalties.copyOf(Arguments.nonNull(value, WHAT, "value"));
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
