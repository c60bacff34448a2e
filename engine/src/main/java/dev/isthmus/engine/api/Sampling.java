package dev.isthmus.engine.api;

import static dev.isthmus.engine.api.GenerationOptions.require;

import dev.isthmus.engine.errors.InvalidInputException;
import dev.isthmus.engine.sampling.LogitsRule;
import dev.isthmus.engine.sampling.Sampler;
import dev.isthmus.engine.sampling.Truncation;
import java.util.List;

/** The values of {@link GenerationOptions} that say how a token is drawn, by the names of its accessors. Immutable. */
record Sampling(double temperature, int topK, double topP, double minP, double typicalP, long seed) {

    /**
     * Checks the values.
     *
     * @throws InvalidInputException if one is out of range
     */
    Sampling {
        require(temperature >= 0 && Double.isFinite(temperature),
                "temperature must be a finite number >= 0, found " + temperature);
        require(topK >= 0, "top-k must be >= 0 (0: all tokens), found " + topK);
        require(topP > 0 && topP <= 1, "top-p must be in (0, 1], found " + topP);
        require(minP >= 0 && minP <= 1, "min-p must be in [0, 1], found " + minP);
        require(typicalP > 0 && typicalP <= 1, "typical-p must be in (0, 1], found " + typicalP);
    }

    /** A sampler that these values and rules describe. */
    Sampler newSampler(List<LogitsRule> rules) {
        return new Sampler(temperature, new Truncation(topK, topP, minP, typicalP), seed, rules);
    }
}
