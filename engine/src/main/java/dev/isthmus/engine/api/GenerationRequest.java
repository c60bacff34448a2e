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
 * @param cacheDomain shares prefixes with requests and sessions of this domain only, such as a tenant's; "" for those
 *     that are given none
 */
public record GenerationRequest(List<Integer> prompt, GenerationOptions options, Optional<Duration> timeLimit,
        String cacheDomain) {

    /**
     * Checks what does not depend on the model.
     *
     * @throws InvalidInputException if the prompt is empty or the time limit negative
     */
    public GenerationRequest {
        prompt = Arguments.nonNullElements(prompt, "generation request", "prompt");
        Arguments.nonNull(options, "generation request", "options");
        Arguments.nonNull(timeLimit, "generation request", "timeLimit");
        Arguments.nonNull(cacheDomain, "generation request", "cacheDomain");
        if (prompt.isEmpty()) {
            throw new InvalidInputException("generation request: the prompt is empty; at least one token is needed");
        }
        if (timeLimit.filter(Duration::isNegative).isPresent()) {
            throw new InvalidInputException("generation request: the time limit must be >= 0, found "
                    + timeLimit.get());
        }
    }

    /**
     * A request in no domain of its own.
     *
     * @param prompt the tokens to continue, at least one
     * @param options how
     * @param timeLimit how long it may take from when it is submitted; empty for any time
     */
    public GenerationRequest(List<Integer> prompt, GenerationOptions options, Optional<Duration> timeLimit) {
        this(prompt, options, timeLimit, "");
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
        return new GenerationRequest(prompt, options, Optional.of(limit), cacheDomain);
    }

    /**
     * {@return the same in another domain}
     *
     * @param domain whose prefixes it shares
     */
    public GenerationRequest withCacheDomain(String domain) {
        Arguments.nonNull(domain, "generation request", "domain");
        return new GenerationRequest(prompt, options, timeLimit, domain);
    }
}
