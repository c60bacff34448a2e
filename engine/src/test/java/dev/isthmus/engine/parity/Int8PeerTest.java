package dev.isthmus.engine.parity;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.kernels.Backends;
import dev.isthmus.engine.kernels.Backend;
import java.io.IOException;
import java.io.InputStream;
import java.util.Optional;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * INT8 weights at the shape of GPT-2 124M against ONNX Runtime's dynamic int8, by the largest error of a logit. The
 * peer's errors come from {@code make_int8_fixture.py}, for the checkpoint, the prompt and the float64 logits of a
 * parity fixture: those of all tokens at the last position, and of some tokens at every position.
 */
class Int8PeerTest {

    private static Json peer;
    private static double largestError;

    @BeforeAll
    static void read() throws IOException {
        try (InputStream json = Int8PeerTest.class.getResourceAsStream("/int8-peer.json")) {
            peer = Json.read(json.readAllBytes());
        }
        ParityCase expected = ParityCase.all().filter(each -> each.name().equals(peer.text("fixture"))).findFirst()
                .orElseThrow();
        int last = expected.prompt().length - 1;
        try (OpenedCase opened = new OpenedCase(expected.checkpoint()); Backend backend = Backends.cpu(2)) {
            opened.read(backend, Optional.of(WeightType.INT8), expected.prompt(), last + 1,
                    (sequence, position, logits) -> {
                        for (int i = 0; i < expected.sampledIds().length; i++) {
                            compare(expected.sampledLogProbabilities()[position][i] + expected.logSumExp()[position],
                                    logits[expected.sampledIds()[i]]);
                        }
                        for (int id = 0; position == last && id < logits.length; id++) {
                            compare(expected.logits()[expected.logits().length - 1][id], logits[id]);
                        }
                    });
        }
    }

    private static void compare(double wanted, double found) {
        largestError = Math.max(largestError, Math.abs(wanted - found));
    }

    /** Here each row is computed as if it were alone, so one reading stands for both of the peer's. */
    @ParameterizedTest
    @ValueSource(strings = {"atOnce", "byToken"})
    void theLargestLogitErrorIsNoGreater(String feeding) {
        Json peerErrors = peer.object("int8").object(feeding);
        double bound = Math.max(peerErrors.number("last"), peerErrors.number("sampled"));
        assertTrue(largestError <= bound, "expected within " + bound + ", found " + largestError);
    }
}
