package dev.isthmus.engine.parity;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.isthmus.engine.api.BackendChoice;
import dev.isthmus.engine.api.GenerationOptions;
import dev.isthmus.engine.api.Model;
import dev.isthmus.engine.api.ModelOptions;
import dev.isthmus.engine.api.Session;
import dev.isthmus.engine.api.TestedBackends;
import dev.isthmus.engine.api.Token;
import dev.isthmus.engine.errors.ContextFullException;
import dev.isthmus.engine.kernels.Backends;
import dev.isthmus.engine.kernels.Backend;
import dev.isthmus.engine.kernels.TestBackend;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import java.util.zip.CRC32;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.params.BeforeParameterizedClassInvocation;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.MethodSource;

/** The engine against Hugging Face transformers in float64, on every fixture. */
@ParameterizedClass
@MethodSource("dev.isthmus.engine.parity.ParityCase#all")
record ParityTest(ParityCase expected) {

    /** float64 against float64: what different orders of summation leave. */
    private static final double REFERENCE_BOUND = 1e-9;

    /**
     * A small model has so few log-probabilities that the largest error is a matter of luck: there float32 may be this
     * many times less exact than transformers in float32. At the shape of GPT-2 124M it may not be less exact at all, but on
     * a GPU: the bound is the best of what transformers does on a CPU, and cuBLAS adds 3072 terms in fewer partial sums.
     */
    private static final double OTHER_SUMS_FACTOR = 4;

    /** Relative to the largest magnitude of the residual stream; one rounding to float32 is 6e-8. */
    private static final double FLOAT32_STATE_BOUND = 1e-5;

    /** Attention weights are at most 1; scores of some dozens come from sums of float32 products. */
    private static final double FLOAT32_ATTENTION_BOUND = 1e-4;

    /** What else than the order of sums is left open: where activations are rounded. */
    private static final double OWN_TYPE_FACTOR = 2;

    /** As those above, of activations in 16 bits, of which bfloat16 has 8 to count with. */
    private static final double HALF_STATE_BOUND = 0.05;
    private static final double HALF_ATTENTION_BOUND = 0.05;

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

    @TestFactory
    Stream<DynamicTest> logProbabilitiesAreThoseOfTransformersHoweverThePromptIsCut() {
        return runs().map(run -> DynamicTest.dynamicTest(run.toString(), () -> {
            try (Backend computing = run.backend.open(2)) {
                Deviation deviation = new Deviation(expected);
                opened.read(computing, expected.weights(), expected.prompt(), run.rows,
                        (sequence, position, logits) -> deviation.accept(position, logits));
                deviation.assertWithin(bound(run.backend));
            }
        }));
    }

    private record Run(TestBackend backend, int rows) {

        static Stream<Run> of(Stream<TestBackend> backends, int... rows) {
            return backends.flatMap(backend -> IntStream.of(rows).mapToObj(count -> new Run(backend, count)));
        }

        @Override
        public String toString() {
            return backend + ", " + rows + " rows at a time";
        }
    }

    /** The full-size models take seconds, so they get only what differs at their size. */
    private Stream<Run> runs() {
        int all = expected.prompt().length;
        if (!expected.fullSize()) {
            return backends().flatMap(backend -> Run.of(Stream.of(backend), rows(backend)));
        }
        Stream<Run> usual = Run.of(TestBackend.usual(), all, 16, 7, 1);
        // On a GPU a row at a time is computed by other kernels, and from the third on as a recorded pass.
        Stream<Run> others = backends().flatMap(backend -> Run.of(Stream.of(backend),
                backend.isCuda() ? new int[] {all, 1} : new int[] {all}));
        return expected.positions().length > 0 ? Stream.concat(usual, others) : usual.limit(1);
    }

    /** The emulated GPU is slow, so it gets what its kernels differ in: many rows, some and one. */
    private int[] rows(TestBackend backend) {
        int all = expected.prompt().length;
        if (!isEmulated(backend)) {
            return new int[] {all, 1, 2, 3, 7, 16};
        }
        return isLong() ? new int[] {all} : new int[] {all, 7, 1};
    }

    private static boolean isEmulated(TestBackend backend) {
        return backend.isCuda() && TestBackend.isStandIn();
    }

    private boolean isLong() {
        return expected.prompt().length > 64;
    }

    /** All that take the model's heads; the emulated GPU leaves the full-size models to real ones. */
    private Stream<TestBackend> backends() {
        return TestBackend.all().filter(backend -> !backend.isCuda()
                || backend.takesHeads(expected.headChannels()) && !(expected.fullSize() && isEmulated(backend)));
    }

    private double bound(TestBackend backend) {
        if (backend.isReference()) {
            return REFERENCE_BOUND;
        }
        if (backend.isCuda() && expected.ofHalves()) {
            return OWN_TYPE_FACTOR * expected.ownTypeError();
        }
        return expected.fullSize() && !backend.isCuda() ? expected.float32Error()
                : OTHER_SUMS_FACTOR * expected.float32Error();
    }

    @TestFactory
    Stream<DynamicTest> sequencesReadTogetherGiveWhatEachGivesAlone() {
        int[] prompt = expected.prompt();
        int[] reversed = IntStream.range(0, prompt.length).map(i -> prompt[prompt.length - 1 - i]).toArray();
        List<int[]> sequences = List.of(Arrays.copyOf(prompt, 2), prompt, reversed);
        List<int[]> steps = List.of(new int[] {1, prompt.length - 1, prompt.length / 2},
                new int[] {2, prompt.length, prompt.length / 2 + 1});
        return together().map(backend -> DynamicTest.dynamicTest(backend.toString(), () -> {
            try (Backend computing = backend.open(2)) {
                Deviation deviation = new Deviation(expected);
                Map<Integer, double[]> starts = new HashMap<>();
                opened.readTogether(computing, expected.weights(), sequences, steps, (sequence, position, logits) -> {
                    if (sequence == 1) {
                        deviation.accept(position, logits);
                    } else if (sequence == 2) {
                        starts.put(position, logits);
                    }
                });
                deviation.assertWithin(bound(backend));
                opened.read(computing, expected.weights(), Arrays.copyOf(reversed, prompt.length / 2 + 1),
                        prompt.length, (sequence, position, logits) ->
                                assertAgree(logits, starts.get(position), position, bound(backend)));
            }
        }));
    }

    private Stream<TestBackend> together() {
        return expected.fullSize() ? TestBackend.usual()
                : backends().filter(backend -> !(isLong() && isEmulated(backend)));
    }

    private static void assertAgree(double[] alone, double[] together, int position, double bound) {
        double a = Deviation.logSumExp(alone);
        double b = Deviation.logSumExp(together);
        for (int id = 0; id < alone.length; id++) {
            assertEquals(alone[id] - a, together[id] - b, bound, "token " + id + " after position " + position);
        }
    }

    @Test
    void theUsualKernelsGiveTheSameBitsForAnyNumberOfThreads() {
        assumeTrue(TestBackend.isWanted("cpu"), "the CPU is left out");
        long single = fingerprint(1);
        assertEquals(single, fingerprint(2), "2 threads");
        assertEquals(single, fingerprint(3), "3 threads");
    }

    private long fingerprint(int threads) {
        try (Backend computing = Backends.cpu(threads)) {
            CRC32 crc = new CRC32();
            int length = expected.prompt().length;
            opened.readTogether(computing, expected.weights(), List.of(expected.prompt()),
                    List.of(new int[] {length - 1}, new int[] {length}), (sequence, position, logits) -> {
                        ByteBuffer bytes = ByteBuffer.allocate(Double.BYTES * logits.length);
                        bytes.asDoubleBuffer().put(logits);
                        crc.update(bytes);
                    });
            return crc.getValue();
        }
    }

    @TestFactory
    Stream<DynamicTest> anObserverSeesTheResidualStreamAndTheAttentionOfTransformers() {
        return choices().map(choice -> DynamicTest.dynamicTest(choice.toString(), () -> {
            boolean exact = choice == BackendChoice.REFERENCE;
            boolean halves = choice == BackendChoice.CUDA && expected.ofHalves();
            try (Model model = open(choice); Session session = model.newSession()) {
                Observed observed = new Observed(expected);
                session.append(expected.prompt(), observed);
                observed.assertStates(exact ? REFERENCE_BOUND : halves ? HALF_STATE_BOUND : FLOAT32_STATE_BOUND);
                observed.assertAttention(exact ? REFERENCE_BOUND
                        : halves ? HALF_ATTENTION_BOUND : FLOAT32_ATTENTION_BOUND);
            }
        }));
    }

    @TestFactory
    Stream<DynamicTest> theLikeliestContinuationIsThatOfTransformers() {
        // The fixtures' margins are wide enough for float32, not for activations of fewer bits.
        return choices().filter(choice -> choice != BackendChoice.CUDA || !expected.ofHalves()).map(choice -> DynamicTest.dynamicTest(choice.toString(), () -> {
            try (Model model = open(choice); Session session = model.newSession()) {
                session.append(expected.prompt());
                var options = GenerationOptions.builder().greedy().stopAtEndOfText(false);
                if (expected.greedy().length == 0) {
                    assertThrows(ContextFullException.class, () -> session.append(0), "the prompt fills the context");
                    return;
                }
                List<Integer> ids = new ArrayList<>();
                for (Token token : session.generate(options.maxTokens(expected.greedy().length).build())) {
                    ids.add(token.id());
                }
                assertEquals(IntStream.of(expected.greedy()).boxed().toList(), ids);
            }
        }));
    }

    private Stream<BackendChoice> choices() {
        Stream<BackendChoice> cuda = backends().filter(TestBackend::isCuda).map(backend -> BackendChoice.CUDA);
        return Stream.concat(expected.fullSize() && expected.positions().length == 0 ? Stream.of(BackendChoice.CPU)
                : Stream.of(BackendChoice.REFERENCE, BackendChoice.CPU), cuda).filter(TestedBackends::isWanted);
    }

    private Model open(BackendChoice choice) {
        ModelOptions options = ModelOptions.DEFAULT.withBackend(choice).withThreads(2);
        return Model.open(opened.directory(), expected.weights().map(options::withWeights).orElse(options));
    }
}
