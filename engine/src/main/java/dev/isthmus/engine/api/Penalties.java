package dev.isthmus.engine.api;

import static dev.isthmus.engine.api.GenerationOptions.WHAT;
import static dev.isthmus.engine.api.GenerationOptions.require;

import dev.isthmus.engine.checks.Arguments;
import dev.isthmus.engine.errors.InvalidInputException;
import java.util.List;
import java.util.Map;

/**
 * The values of {@link GenerationOptions} that make tokens more or less likely, by the names of its accessors. Immutable.
 */
record Penalties(double repetitionPenalty, double presencePenalty, double frequencyPenalty, int noRepeatNgram,
        Map<Integer, Double> logitBias, List<List<Integer>> banned) {

    /**
     * Copies and checks the values.
     *
     * @throws InvalidInputException if one is null or out of range
     */
    Penalties {
        logitBias = copyOf(logitBias);
        banned = Arguments.nonNullElements(banned, WHAT, "banned").stream()
                .map(sequence -> Arguments.nonNullElements(sequence, WHAT, "banned")).toList();
        require(repetitionPenalty > 0 && Double.isFinite(repetitionPenalty),
                "repetition penalty must be a finite number > 0 (1: none), found " + repetitionPenalty);
        require(Double.isFinite(presencePenalty), "presence penalty must be a finite number, found " + presencePenalty);
        require(Double.isFinite(frequencyPenalty),
                "frequency penalty must be a finite number, found " + frequencyPenalty);
        require(noRepeatNgram >= 0, "no-repeat n-gram must be >= 0 (0: none), found " + noRepeatNgram);
        logitBias.forEach((id, bias) -> require(bias < Double.POSITIVE_INFINITY,
                "logit bias of token " + id + " must be a number below infinity, found " + bias));
        require(banned.stream().noneMatch(List::isEmpty), "a banned sequence must have at least one token");
    }

    /** A copy of a bias by token. */
    static Map<Integer, Double> copyOf(Map<Integer, Double> logitBias) {
        Arguments.nonNull(logitBias, WHAT, "logitBias").forEach((id, bias) -> {
            Arguments.nonNull(id, WHAT, "a token of logitBias");
            Arguments.nonNull(bias, WHAT, "a number of logitBias");
        });
        return Map.copyOf(logitBias);
    }
}
