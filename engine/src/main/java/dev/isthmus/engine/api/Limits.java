package dev.isthmus.engine.api;

import static dev.isthmus.engine.api.GenerationOptions.WHAT;
import static dev.isthmus.engine.api.GenerationOptions.require;

import dev.isthmus.engine.checks.Arguments;
import dev.isthmus.engine.errors.InvalidInputException;
import java.util.List;
import java.util.OptionalInt;

/** The values of {@link GenerationOptions} that say where a text begins and ends, by the names of its accessors. */
record Limits(int maxTokens, OptionalInt forcedFirst, OptionalInt forcedLast, List<String> stop,
        boolean stopAtEndOfText) {

    /**
     * Copies and checks the values.
     *
     * @throws InvalidInputException if one is null or out of range
     */
    Limits {
        stop = Arguments.nonNullElements(stop, WHAT, "stop");
        require(maxTokens >= 1, "max tokens must be >= 1, found " + maxTokens);
        require(stop.stream().noneMatch(String::isEmpty), "a stop string must not be empty");
    }
}
