package dev.isthmus.engine.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.checkpoint.Checkpoint;
import dev.isthmus.engine.config.Activation;
import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.CheckpointException.Reason;
import dev.isthmus.engine.kernels.LayerNorm;
import dev.isthmus.engine.kernels.Layout;
import dev.isthmus.engine.kernels.Linear;
import dev.isthmus.engine.kernels.Matrix;
import dev.isthmus.engine.kernels.PlainMatrix;
import dev.isthmus.engine.kernels.PlainWeights;
import dev.isthmus.engine.tensor.Tensor;
import dev.isthmus.engine.weights.StoredType;
import dev.isthmus.engine.weights.TensorInfo;
import dev.isthmus.engine.weights.TestTensors;
import dev.isthmus.engine.weights.safetensors.SafetensorsWriter.Entry;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.BiConsumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What transformers 5.18 does with each of the layouts here was found by loading them there. */
class Gpt2LoaderTest {

    private static final String PREFIX = "transformer.";

    @TempDir
    Path directory;

    private interface Check {
        void on(Gpt2Weights weights);
    }

    private void load(List<Entry> entries, boolean tied, int threads, Check check) throws IOException {
        TestTensors.write(directory, entries);
        try (Arena arena = Arena.ofShared()) {
            Gpt2Weights weights;
            try (Checkpoint checkpoint = Checkpoint.open(directory)) {
                weights = load(checkpoint, TinyGpt2.config(tied), arena, threads, (done, all) -> {});
            }
            check.on(weights);
        }
    }

    private static Gpt2Weights load(Checkpoint checkpoint, Gpt2Config config, Arena arena, int threads,
            BiConsumer<Long, Long> progress) {
        return Gpt2Loader.load(checkpoint, config, PlainWeights.INSTANCE, Optional.empty(), arena, threads, progress);
    }

    private CheckpointException refusal(Reason reason, List<Entry> entries, boolean tied) throws IOException {
        CheckpointException refusal = assertThrows(CheckpointException.class,
                () -> load(entries, tied, 2, weights -> {}));
        assertEquals(reason, refusal.reason(), refusal.getMessage());
        return refusal;
    }

    private static void assertHolds(String name, Tensor tensor) {
        long[] shape = TinyGpt2.shapes().getOrDefault(name, new long[] {TinyGpt2.VOCABULARY, TinyGpt2.CHANNELS});
        assertArrayEquals(shape, tensor.shape().dims(), name);
        assertArrayEquals(TinyGpt2.values(name, shape), tensor.data().toArray(ValueLayout.JAVA_FLOAT), name);
        assertEquals(0, tensor.data().address() % Tensor.ALIGNMENT, name);
    }

    private static void assertHolds(String name, Matrix matrix) {
        PlainMatrix plain = (PlainMatrix) matrix;
        assertHolds(name, plain.weight());
        assertEquals(name.startsWith("h.") ? Layout.IN_OUT : Layout.OUT_IN, plain.layout());
    }

    private static void assertHolds(String name, Linear linear) {
        assertHolds(name + ".weight", linear.weight());
        assertHolds(name + ".bias", linear.bias());
    }

    private static void assertHolds(String name, LayerNorm norm) {
        assertHolds(name + ".weight", norm.weight());
        assertHolds(name + ".bias", norm.bias());
        assertEquals(1e-5, norm.epsilon());
    }

    private static void assertAll(Gpt2Weights weights) {
        assertHolds("wte.weight", weights.tokenEmbedding());
        assertHolds("wpe.weight", weights.positionEmbedding());
        assertEquals(TinyGpt2.LAYERS, weights.blocks().size());
        for (int layer = 0; layer < TinyGpt2.LAYERS; layer++) {
            String block = "h." + layer + ".";
            assertHolds(block + "ln_1", weights.blocks().get(layer).attentionNorm());
            assertHolds(block + "attn.c_attn", weights.blocks().get(layer).attentionInput());
            assertHolds(block + "attn.c_proj", weights.blocks().get(layer).attentionOutput());
            assertHolds(block + "ln_2", weights.blocks().get(layer).feedForwardNorm());
            assertHolds(block + "mlp.c_fc", weights.blocks().get(layer).feedForwardInput());
            assertHolds(block + "mlp.c_proj", weights.blocks().get(layer).feedForwardOutput());
        }
        assertHolds("ln_f", weights.finalNorm());
        assertNull(weights.head().bias());
    }

    private static List<Entry> with(List<Entry> entries, Entry... more) {
        List<Entry> all = new ArrayList<>(entries);
        all.addAll(List.of(more));
        return all;
    }

    private static List<Entry> without(List<Entry> entries, String name) {
        return entries.stream().filter(entry -> !entry.name().equals(name)).toList();
    }

    private static Entry renamed(Entry entry, String name) {
        return new Entry(name, entry.type(), entry.shape(), entry.data());
    }

    @ParameterizedTest
    @ValueSource(strings = {"", PREFIX})
    void everyWeightArrivesInItsPlaceWithAndWithoutPrefix(String prefix) throws IOException {
        load(TinyGpt2.entries(prefix), true, 1, weights -> {
            assertAll(weights);
            assertSame(weights.tokenEmbedding(), weights.head().weight());
        });
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 64})
    void anyNumberOfThreadsLoadsTheSame(int threads) throws IOException {
        load(TinyGpt2.entries(PREFIX), true, threads, Gpt2LoaderTest::assertAll);
    }

    @Test
    void namesMayBeMixedAndThePrefixedOneWins() throws IOException {
        List<Entry> mixed = new ArrayList<>();
        for (Entry entry : TinyGpt2.entries("")) {
            mixed.add(mixed.size() % 3 == 0 ? entry : renamed(entry, PREFIX + entry.name()));
        }
        mixed.add(TestTensors.f32("wpe.weight", new long[] {5, 4}, new float[20]));
        load(mixed, true, 2, Gpt2LoaderTest::assertAll);
    }

    @ParameterizedTest
    @ValueSource(strings = {"F16", "BF16"})
    void halfPrecisionWeightsWiden(String type) throws IOException {
        List<Entry> entries = TinyGpt2.shapes().entrySet().stream().map(each -> {
            float[] values = TinyGpt2.values(each.getKey(), each.getValue());
            return type.equals("F16") ? TestTensors.f16(each.getKey(), each.getValue(), values)
                    : TestTensors.bf16(each.getKey(), each.getValue(), values);
        }).toList();
        load(entries, true, 2, Gpt2LoaderTest::assertAll);
    }

    @Test
    void anUntiedHeadIsUsed() throws IOException {
        load(with(TinyGpt2.entries(PREFIX), TinyGpt2.head()), false, 2, weights -> {
            assertAll(weights);
            assertHolds("lm_head.weight", weights.head().weight());
        });
    }

    @Test
    void aHeadUnderThePrefixIsUsed() throws IOException {
        load(with(TinyGpt2.entries(PREFIX), renamed(TinyGpt2.head(), PREFIX + "lm_head.weight")), false, 2,
                weights -> assertHolds("lm_head.weight", weights.head().weight()));
    }

    @Test
    void aDifferentHeadIsUsedEvenWhereTheConfigSaysTied() throws IOException {
        load(with(TinyGpt2.entries(PREFIX), TinyGpt2.head()), true, 2, weights -> {
            assertAll(weights);
            assertHolds("lm_head.weight", weights.head().weight());
        });
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void anEqualHeadSharesTheEmbeddingsMemory(boolean tied) throws IOException {
        List<Entry> entries = TinyGpt2.entries("");
        load(with(entries, renamed(entries.getFirst(), "lm_head.weight")), tied, 2, weights -> {
            assertAll(weights);
            assertSame(weights.tokenEmbedding(), weights.head().weight());
        });
    }

    @Test
    void aTiedHeadAloneIsTheEmbeddingToo() throws IOException {
        List<Entry> rest = without(TinyGpt2.entries(""), "wte.weight");
        load(with(rest, TinyGpt2.head()), true, 2, weights -> {
            assertHolds("lm_head.weight", weights.tokenEmbedding());
            assertSame(weights.tokenEmbedding(), weights.head().weight());
        });
        CheckpointException refusal = refusal(Reason.MISSING_TENSOR, with(rest, TinyGpt2.head()), false);
        assertTrue(refusal.getMessage().contains("wte.weight"), refusal.getMessage());
    }

    @Test
    void anUntiedModelWithoutHeadIsRefused() throws IOException {
        CheckpointException refusal = refusal(Reason.MISSING_TENSOR, TinyGpt2.entries(""), false);
        assertTrue(refusal.getMessage().contains("tie_word_embeddings is false"), refusal.getMessage());
    }

    static Set<String> names() {
        return TinyGpt2.shapes().keySet();
    }

    @ParameterizedTest
    @MethodSource("names")
    void eachMissingTensorIsNamed(String name) throws IOException {
        CheckpointException refusal = refusal(Reason.MISSING_TENSOR,
                without(TinyGpt2.entries(PREFIX), PREFIX + name), true);
        assertTrue(refusal.getMessage().contains("tensor " + name), refusal.getMessage());
        assertEquals(directory, refusal.file());
    }

    @ParameterizedTest
    @MethodSource("names")
    void eachTensorOfAnotherShapeIsRefusedWithBothShapes(String name) throws IOException {
        long[] shape = TinyGpt2.shapes().get(name);
        long[] wrong = shape.length == 1 ? new long[] {1, shape[0]} : new long[] {shape[0] * shape[1]};
        List<Entry> entries = with(without(TinyGpt2.entries(""), name),
                TestTensors.f32(name, wrong, TinyGpt2.values(name, shape)));
        CheckpointException refusal = refusal(Reason.WRONG_SHAPE, entries, true);
        assertTrue(refusal.getMessage().contains(name), refusal.getMessage());
        assertTrue(refusal.getMessage().contains("[" + wrong[0]), refusal.getMessage());
        assertEquals(directory.resolve(Checkpoint.SINGLE_FILE), refusal.file());
    }

    @Test
    void allFaultsAreListedAndWhatIsNotLookedForIsUnused() throws IOException {
        List<Entry> entries = with(without(without(TinyGpt2.entries(""), "ln_f.bias"), "h.0.ln_1.weight"),
                TestTensors.f32("ln_f.bias", new long[] {1}, new float[1]),
                TestTensors.f32("h.0.attn.bias", new long[] {1}, new float[1]));
        TestTensors.write(directory, entries);
        try (Checkpoint checkpoint = Checkpoint.open(directory)) {
            List<CheckpointException> faults = Gpt2Loader.faults(checkpoint, TinyGpt2.config(true));
            assertEquals(List.of(Reason.MISSING_TENSOR, Reason.WRONG_SHAPE),
                    faults.stream().map(CheckpointException::reason).toList());
            assertTrue(faults.getFirst().getMessage().contains("h.0.ln_1.weight"), faults.getFirst().getMessage());
            assertTrue(faults.getLast().getMessage().contains("ln_f.bias"), faults.getLast().getMessage());
            assertEquals(List.of("h.0.attn.bias"), Gpt2Loader.unused(checkpoint, TinyGpt2.config(true)).stream()
                    .map(TensorInfo::name).toList());
        }
    }

    @Test
    void aHeadOfAnotherShapeIsRefusedEvenIfTied() throws IOException {
        Entry head = TestTensors.f32("lm_head.weight", new long[] {4, 7}, new float[28]);
        refusal(Reason.WRONG_SHAPE, with(TinyGpt2.entries(""), head), true);
    }

    @ParameterizedTest
    @MethodSource("names")
    void eachTensorOfAnotherTypeIsRefusedWithItsType(String name) throws IOException {
        long[] shape = TinyGpt2.shapes().get(name);
        byte[] data = new byte[8 * TinyGpt2.values(name, shape).length];
        List<Entry> entries = with(without(TinyGpt2.entries(""), name),
                TestTensors.entry(name, StoredType.F64, shape, data));
        CheckpointException refusal = refusal(Reason.WRONG_TYPE, entries, true);
        assertTrue(refusal.getMessage().contains("found F64"), refusal.getMessage());
    }

    @Test
    void masksAndOtherExtrasAreLeftAloneAndListed() throws IOException {
        Entry mask = TestTensors.entry("h.0.attn.bias", StoredType.BOOL, new long[] {1, 1, 5, 5}, new byte[25]);
        Entry masked = TestTensors.f32("h.0.attn.masked_bias", new long[0], -1e4f);
        Entry layer = TestTensors.f32("h.2.ln_1.weight", new long[] {4}, new float[4]);
        List<Entry> entries = with(TinyGpt2.entries(""), mask, masked, layer);
        load(entries, true, 2, Gpt2LoaderTest::assertAll);
        try (Checkpoint checkpoint = Checkpoint.open(directory)) {
            assertEquals(Set.of("h.0.attn.bias", "h.0.attn.masked_bias", "h.2.ln_1.weight"),
                    Set.copyOf(Gpt2Loader.unused(checkpoint, TinyGpt2.config(true)).stream().map(TensorInfo::name)
                            .toList()));
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void progressRisesToTheTotal(boolean equalHead) throws IOException {
        List<Entry> entries = TinyGpt2.entries("");
        Entry head = equalHead ? renamed(entries.getFirst(), "lm_head.weight") : TinyGpt2.head();
        List<Entry> all = with(entries, head);
        TestTensors.write(directory, all);
        List<Long> seen = new ArrayList<>();
        long expected = (equalHead ? entries : all).stream().mapToLong(entry -> entry.data().byteSize()).sum();
        try (Arena arena = Arena.ofShared(); Checkpoint checkpoint = Checkpoint.open(directory)) {
            load(checkpoint, TinyGpt2.config(true), arena, 3, (done, total) -> {
                assertEquals(expected, total);
                seen.add(done);
            });
        }
        assertEquals(expected, seen.getLast());
        assertEquals(seen.stream().sorted().distinct().toList(), seen);
        assertNotEquals(1, seen.size());
    }

    /** 19 MB: more than one piece of reading, of comparing and of a single read call. */
    @Test
    void largeTensorsArriveWholeAndAreComparedToTheEnd() throws IOException {
        int vocabulary = 1_200_000;
        float[] values = new float[vocabulary * TinyGpt2.CHANNELS];
        for (int i = 0; i < values.length; i++) {
            values[i] = i;
        }
        long[] shape = {vocabulary, TinyGpt2.CHANNELS};
        Entry embedding = TestTensors.f32("wte.weight", shape, values);
        values[values.length - 1] = -1;
        Entry head = TestTensors.f32("lm_head.weight", shape, values);
        TestTensors.write(directory, with(without(TinyGpt2.entries(""), "wte.weight"), embedding, head));
        Gpt2Config config = new Gpt2Config(TinyGpt2.LAYERS, 2, TinyGpt2.CHANNELS, TinyGpt2.INNER, TinyGpt2.CONTEXT,
                vocabulary, 1e-5, Activation.GELU_TANH, true, false, true, List.of());
        try (Arena arena = Arena.ofShared(); Checkpoint checkpoint = Checkpoint.open(directory)) {
            Gpt2Weights weights = load(checkpoint, config, arena, 2, (done, total) -> {});
            assertEquals(-1, data(weights.tokenEmbedding()).mismatch(stored(embedding, arena)));
            assertEquals(-1, data(weights.head().weight()).mismatch(stored(head, arena)));
            MemorySegment whole = arena.allocate(embedding.data().byteSize());
            checkpoint.readF32("wte.weight", whole);
            assertEquals(-1, whole.mismatch(stored(embedding, arena)));
        }
    }

    private static MemorySegment data(Matrix matrix) {
        return ((PlainMatrix) matrix).weight().data();
    }

    private static MemorySegment stored(Entry entry, Arena arena) {
        return arena.allocate(entry.data().byteSize()).copyFrom(entry.data());
    }

    @Test
    void aFailureWhileReadingLeavesAnArenaThatCloses() throws IOException {
        TestTensors.write(directory, TinyGpt2.entries(""));
        Arena arena = Arena.ofShared();
        try (Checkpoint checkpoint = Checkpoint.open(directory)) {
            IllegalStateException own = new IllegalStateException("the listener's own");
            assertSame(own, assertThrows(IllegalStateException.class, () -> load(checkpoint,
                    TinyGpt2.config(true), arena, 4, (done, total) -> {
                        throw own;
                    })));
        }
        arena.close();
    }
}
