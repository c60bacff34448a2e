package dev.isthmus.tools.parity;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.isthmus.engine.api.BackendChoice;
import dev.isthmus.engine.api.ModelOptions;
import dev.isthmus.tools.CommandRun;
import dev.isthmus.tools.model.ModelLocator;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * GPT-2's published numbers against its real weights, where this machine has them: named by {@code -Disthmus.gpt2} or
 * {@code ISTHMUS_GPT2}, or in the Hugging Face cache.
 */
class PublishedParityTest {

    private static final String HOW = "PublishedParityTest needs GPT-2's weights, which this machine has not: name"
            + " their directory in ISTHMUS_GPT2 or -Disthmus.gpt2, or get them with: isthmus fetch gpt2";

    private static Optional<Path> weights() {
        String named = System.getProperty("isthmus.gpt2", System.getenv().getOrDefault("ISTHMUS_GPT2", ""));
        if (!named.isEmpty()) {
            return Optional.of(Path.of(named));
        }
        return new ModelLocator(System.getenv(), Path.of(System.getProperty("user.home")))
                .inCache("gpt2", new ArrayList<>());
    }

    private static Path requireWeights() {
        Optional<Path> weights = weights();
        if (weights.isEmpty()) {
            System.err.println("SKIPPED: " + HOW);
        }
        assumeTrue(weights.isPresent(), HOW);
        return weights.get();
    }

    @ParameterizedTest
    @EnumSource(names = {"CPU", "REFERENCE"})
    void everyPublishedNumberThatAppliesIsMet(BackendChoice backend) {
        Path weights = requireWeights();
        ModelOptions options = ModelOptions.DEFAULT.withBackend(backend);
        Parity.Report report = new Parity(weights, options, (done, total) -> {}).run();
        assertFalse(report.model().isEmpty(), weights + " has the shape of no published model");
        List<Parity.Result> failed = report.results().stream()
                .filter(result -> result.outcome().status() == Outcome.Status.FAILED).toList();
        if (!failed.isEmpty()) {
            fail(failed.stream().map(result -> result.id() + ": " + result.outcome().detail())
                    .collect(Collectors.joining("\n", failed.size() + " failed:\n", "")));
        }
    }

    @Test
    void theWeightsAreThePublishedOnesBitByBit() {
        CommandRun run = CommandRun.of("verify", requireWeights().toString());
        assertEquals(0, run.code(), run.err());
        assertTrue(run.out().contains("openai-community/gpt2 at revision 607a30d783dfa663caf39e06633721c8d4cfcd7e"
                + ", bit by bit"), run.out());
    }
}
