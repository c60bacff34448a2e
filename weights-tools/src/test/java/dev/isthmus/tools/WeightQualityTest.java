package dev.isthmus.tools;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.api.Model;
import dev.isthmus.engine.api.ModelOptions;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.tools.model.ModelDirectory;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What weights of fewer bits cost the demo model, in perplexity on text that it was not trained on. */
class WeightQualityTest {

    private static double single;

    @BeforeAll
    static void measureFloat32() throws IOException {
        single = perplexity(WeightType.F32);
    }

    /** In windows of the context side by side, as the demo's README has it. */
    private static double perplexity(WeightType type) throws IOException {
        try (InputStream text = WeightQualityTest.class.getResourceAsStream("held-out.txt");
                ModelDirectory directory = ModelDirectory.demo();
                Model model = Model.open(directory.path(), ModelOptions.DEFAULT.withWeights(type))) {
            int[] ids = model.tokenizer().orElseThrow()
                    .encode(new String(text.readAllBytes(), StandardCharsets.UTF_8));
            return model.score(ids, model.config().context()).perplexity();
        }
    }

    /** As transformers 5.18 computes it in float64, window by window. */
    @Test
    void theLossIsThatOfTransformers() {
        assertEquals(3.962993, Math.log(single), 1e-5);
    }

    /** The bounds are the project's promise; F16 is what the demo is stored as. */
    @ParameterizedTest
    @CsvSource({"F16,1e-6", "BF16,0.003", "INT8,0.003", "Q4,0.03"})
    void perplexityChangesByNoMoreThanItMay(WeightType type, double bound) throws IOException {
        double change = perplexity(type) / single - 1;
        assertTrue(Math.abs(change) <= bound, type + " changes the perplexity " + single + " by " + change);
    }
}
