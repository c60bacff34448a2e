package dev.isthmus.engine.api;

import dev.isthmus.engine.checks.Arguments;
import dev.isthmus.engine.errors.InvalidInputException;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * A text to be continued by a {@link BatchingExecutor}. Immutable.
 *
 * @param prompt the tokens to continue, at least one
 * @param options how
 * @param timeLimit how long it may take from when it is submitted, the wait in the queue included; empty for any time
 */
public record GenerationRequest(List<Integer> prompt, GenerationOptions options, Optional<Duration> timeLimit) {

    /**
     * Checks what does not depend on the model.
     *
     * @throws InvalidInputException if the prompt is empty or the time limit negative
     */
    public GenerationRequest {
        prompt = Arguments.nonNullElements(prompt, "generation request", "prompt");
        Arguments.nonNull(options, "generation request", "options");
        Arguments.nonNull(timeLimit, "generation request", "timeLimit");
        if (prompt.isEmpty()) {
            throw new InvalidInputException("generation request: the prompt is empty; at least one token is needed");
        }
        if (timeLimit.filter(Duration::isNegative).isPresent()) {
            throw new InvalidInputException("generation request: the time limit must be >= 0, found "
                    + timeLimit.get());
        }
    }

    /**
     * {@return a request without time limit}
     *
     * @param prompt the tokens to continue
     * @param options how to choose tokens and when to end
     */
    public static GenerationRequest of(int[] prompt, GenerationOptions options) {
        Arguments.nonNull(prompt, "generation request", "prompt");
        return new GenerationRequest(Arrays.stream(prompt).boxed().toList(), options, Optional.empty());
    }

    /**
     * {@return the same with a time limit}
     *
     * @param limit the time from when it is submitted to when it must be done, ≥ 0
     */
    public GenerationRequest withTimeLimit(Duration limit) {
        Arguments.nonNull(limit, "generation request", "limit");
        return new GenerationRequest(prompt, options, Optional.of(limit));
    }
}
