package dev.isthmus.engine.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.kernels.Backends;
import dev.isthmus.engine.kernels.Backend;
import dev.isthmus.engine.kernels.Passes;
import dev.isthmus.engine.tensor.Tensor;
import org.junit.jupiter.api.Test;

/** What a prompt took is given back for decoding, and kept where that would cost more than it is worth. */
class ScratchTest {

    private static final int PROMPT = 64;

    private static Scratch scratch(Backend opened) {
        return new Scratch(TinyGpt2.config(true), WeightType.F32, opened);
    }

    private static boolean isAlive(Tensor tensor) {
        return tensor.data().scope().isAlive();
    }

    @Test
    void decodingAfterAPromptGivesThePromptsRowsBack() {
        try (Backend opened = Backends.cpu(1); Scratch scratch = scratch(opened)) {
            Scratch.Views ofPrompt = scratch.views(PROMPT, 1);
            scratch.expect(1);
            assertFalse(isAlive(ofPrompt.rows().x()));
            assertFalse(isAlive(ofPrompt.rows().inner()));
            Scratch.Views ofToken = scratch.views(1, 1);
            assertEquals(1, ofToken.rows().x().dim(0));
            scratch.expect(1);
            scratch.views(1, 1);
            assertTrue(isAlive(ofToken.rows().x()), "one token after another uses the same");
            assertEquals(PROMPT, scratch.views(PROMPT, 1).rows().x().dim(0));
        }
    }

    @Test
    void aSomewhatShorterPassUsesWhatIsThere() {
        try (Backend opened = Backends.cpu(1); Scratch scratch = scratch(opened)) {
            Scratch.Views ofPrompt = scratch.views(PROMPT, 1);
            scratch.expect(PROMPT / 16);
            scratch.views(PROMPT / 16, 1);
            assertTrue(isAlive(ofPrompt.rows().x()));
        }
    }

    @Test
    void recordedPassesKeepTheirMemory() {
        Passes recorded = (batch, outputRows, watched, pass) -> pass.run();
        try (Backend opened = InterceptedBackend.of(Backends.cpu(1),
                name -> name.equals("newPasses") ? recorded : null); Scratch scratch = scratch(opened)) {
            Scratch.Views ofPrompt = scratch.views(PROMPT, 1);
            scratch.expect(1);
            scratch.views(1, 1);
            assertTrue(isAlive(ofPrompt.rows().x()));
        }
    }
}
