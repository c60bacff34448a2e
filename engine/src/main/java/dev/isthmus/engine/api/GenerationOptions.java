package dev.isthmus.engine.api;

import dev.isthmus.engine.errors.InvalidInputException;
import java.util.List;

/**
 * How to continue a text. Immutable; start from {@link #DEFAULT} and change what differs.
 *
 * @param maxTokens the most tokens to generate, ≥ 1
 * @param temperature what logits are divided by, ≥ 0; 0 takes the likeliest token each time (greedy)
 * @param topK sample among the K likeliest tokens only; 0 for all
 * @param topP sample among the fewest tokens whose probabilities reach P, in (0, 1]; 1 for all
 * @param seed what makes sampling repeatable: the same seed, the same text
 * @param stop strings that end the text; neither they nor what follows is returned
 * @param stopAtEndOfText whether the model's end-of-text token ends the generation
 */
public record GenerationOptions(int maxTokens, double temperature, int topK, double topP, long seed,
        List<String> stop, boolean stopAtEndOfText) {

    /** 64 tokens, temperature 0.8, no truncation, seed 0, no stop strings. */
    public static final GenerationOptions DEFAULT = new GenerationOptions(64, 0.8, 0, 1, 0, List.of(), true);

    /**
     * Checks the values.
     *
     * @throws InvalidInputException if one is out of range
     */
    public GenerationOptions {
        stop = List.copyOf(stop);
        require(maxTokens >= 1, "max tokens must be >= 1, found " + maxTokens);
        require(temperature >= 0 && temperature < Double.POSITIVE_INFINITY,
                "temperature must be a finite number >= 0, found " + temperature);
        require(topK >= 0, "top-k must be >= 0 (0: all tokens), found " + topK);
        require(topP > 0 && topP <= 1, "top-p must be in (0, 1], found " + topP);
        require(stop.stream().noneMatch(String::isEmpty), "a stop string must not be empty");
    }

    private static void require(boolean condition, String message) {
        if (!condition) {
            throw new InvalidInputException("generation options: " + message);
        }
    }

    /** The same, greedy: always the likeliest token. */
    public GenerationOptions greedy() {
        return withTemperature(0);
    }

    /** The same with another limit on the tokens generated. */
    public GenerationOptions withMaxTokens(int value) {
        return new GenerationOptions(value, temperature, topK, topP, seed, stop, stopAtEndOfText);
    }

    /** The same with another temperature. */
    public GenerationOptions withTemperature(double value) {
        return new GenerationOptions(maxTokens, value, topK, topP, seed, stop, stopAtEndOfText);
    }

    /** The same with another top-k. */
    public GenerationOptions withTopK(int value) {
        return new GenerationOptions(maxTokens, temperature, value, topP, seed, stop, stopAtEndOfText);
    }

    /** The same with another top-p. */
    public GenerationOptions withTopP(double value) {
        return new GenerationOptions(maxTokens, temperature, topK, value, seed, stop, stopAtEndOfText);
    }

    /** The same with another seed. */
    public GenerationOptions withSeed(long value) {
        return new GenerationOptions(maxTokens, temperature, topK, topP, value, stop, stopAtEndOfText);
    }

    /** The same with other stop strings. */
    public GenerationOptions withStop(String... values) {
        return new GenerationOptions(maxTokens, temperature, topK, topP, seed, List.of(values), stopAtEndOfText);
    }

    /** The same, ending at the model's end-of-text token or not. */
    public GenerationOptions withStopAtEndOfText(boolean value) {
        return new GenerationOptions(maxTokens, temperature, topK, topP, seed, stop, value);
    }
}
