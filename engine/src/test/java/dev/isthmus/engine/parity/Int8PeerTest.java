package dev.isthmus.engine.parity;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.kernels.Backends;
import dev.isthmus.engine.kernels.Kernels;
import java.io.IOException;
import java.io.InputStream;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * INT8 weights at the shape of GPT-2 124M against ONNX Runtime's dynamic int8, by the largest error of a logit. The
 * peer's errors come from {@code make_int8_fixture.py}, for the checkpoint, the prompt and the float64 logits of a
 * parity fixture, the prompt read at once.
 */
class Int8PeerTest {

    private static Json peer;
    private static ParityCase expected;
    private static OpenedCase opened;

    @BeforeAll
    static void open() throws IOException {
        try (InputStream json = Int8PeerTest.class.getResourceAsStream("/int8-peer.json")) {
            peer = Json.read(json.readAllBytes());
        }
        expected = ParityCase.all().filter(each -> each.name().equals(peer.text("fixture"))).findFirst().orElseThrow();
        opened = new OpenedCase(expected.checkpoint());
    }

    @AfterAll
    static void close() {
        opened.close();
    }

    @Test
    void theLargestLogitErrorAfterAPromptReadAtOnceIsNoGreater() {
        int length = expected.prompt().length;
        double[] found = new double[expected.checkpoint().weights().size().vocabulary()];
        try (Kernels kernels = Backends.cpu(2)) {
            opened.read(kernels, Optional.of(WeightType.INT8), expected.prompt(), length,
                    (sequence, position, logits) -> {
                        if (position == length - 1) {
                            System.arraycopy(logits, 0, found, 0, found.length);
                        }
                    });
        }
        double[] wanted = expected.logits()[expected.logits().length - 1];
        double error = IntStream.range(0, found.length).mapToDouble(id -> Math.abs(wanted[id] - found[id])).max()
                .orElseThrow();
        double bound = peer.object("int8").object("atOnce").number("last");
        assertTrue(error <= bound, "expected within " + bound + ", found " + error);
    }
}
