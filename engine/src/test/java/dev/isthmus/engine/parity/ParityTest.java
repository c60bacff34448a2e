package dev.isthmus.engine.parity;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.api.BackendChoice;
import dev.isthmus.engine.api.ForwardObserver;
import dev.isthmus.engine.api.Generation;
import dev.isthmus.engine.api.GenerationOptions;
import dev.isthmus.engine.api.Model;
import dev.isthmus.engine.api.ModelOptions;
import dev.isthmus.engine.api.Session;
import dev.isthmus.engine.api.Token;
import dev.isthmus.engine.kernels.Backends;
import dev.isthmus.engine.kernels.Kernels;
import dev.isthmus.engine.kernels.TestBackend;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.BeforeParameterizedClassInvocation;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** The engine against Hugging Face transformers in float64, on every fixture. */
@ParameterizedClass
@MethodSource("dev.isthmus.engine.parity.ParityCase#all")
record ParityTest(ParityCase expected) {

    /** float64 against float64: what different orders of summation leave. */
    private static final double REFERENCE_BOUND = 1e-9;

    /**
     * A small model has so few log-probabilities that the largest error is a matter of luck: there float32 may be this
     * many times less exact than transformers in float32. At the shape of GPT-2 124M it may not be less exact at all.
     */
    private static final double SMALL_MODEL_FACTOR = 4;

    private static OpenedCase opened;

    @BeforeParameterizedClassInvocation
    static void open(ParityCase expected) throws IOException {
        // Fixtures that share a checkpoint stand side by side, and the full-size one takes seconds to write.
        if (opened != null && !opened.checkpoint().equals(expected.checkpoint())) {
            close();
        }
        if (opened == null) {
            opened = new OpenedCase(expected.checkpoint());
        }
    }

    @AfterAll
    static void close() {
        opened.close();
        opened = null;
    }

    @Test
    void theSyntheticWeightsAreThoseOfPythonBitForBit() {
        assertEquals(expected.checksums().members(), opened.checkpoint().checksums());
    }

    static Stream<TestBackend> backends() {
        return TestBackend.all();
    }

    @ParameterizedTest
    @MethodSource("backends")
    void logProbabilitiesAreThoseOfTransformersHoweverThePromptIsCut(TestBackend backend) {
        try (Kernels kernels = backend.open(2)) {
            for (int chunk : chunks(backend)) {
                long t0 = System.nanoTime();
                Deviation deviation = new Deviation(expected);
                opened.read(kernels, expected.prompt(), chunk, (s, position, logits) ->
                        deviation.accept(position, logits));
                System.out.printf("%-26s %-30s %4d %.3g of %.3g  %d ms%n", expected, backend, chunk, deviation.worst(), expected.float32Error(), (System.nanoTime() - t0) / 1000000);
            }
        }
    }

    private int[] chunks(TestBackend backend) {
        int all = expected.prompt().length;
        if (backend.isReference() || expected.fullSize()) {
            return new int[] {all, 1};
        }
        return new int[] {all, 1, 2, 3, 7, 16};
    }
}
