package dev.isthmus.engine.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.checkpoint.Checkpoint;
import dev.isthmus.engine.config.Activation;
import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.CheckpointException.Reason;
import dev.isthmus.engine.kernels.Backend;
import dev.isthmus.engine.kernels.Matrix;
import dev.isthmus.engine.kernels.PackedMatrix;
import dev.isthmus.engine.kernels.PlainMatrix;
import dev.isthmus.engine.kernels.Rounding;
import dev.isthmus.engine.kernels.TestBackend;
import dev.isthmus.engine.kernels.WeightMemory;
import dev.isthmus.engine.weights.StoredType;
import dev.isthmus.engine.weights.TestTensors;
import dev.isthmus.engine.weights.safetensors.SafetensorsWriter;
import dev.isthmus.engine.weights.safetensors.SafetensorsWriter.Entry;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Files that hold their matrices as INT8 or Q4, on every backend. They are written here by the description of the form
 * in {@code isthmus.h}, of weights that are multiples of their scales already, so that rounding changes none of them.
 */
@ParameterizedClass
@MethodSource("all")
class PackedFileTest {

    private static final int C = 40;
    private static final int INNER = 300;
    private static final int V = 150;
    private static final Gpt2Config CONFIG = new Gpt2Config(1, 2, C, INNER, 8, V, 1e-5, Activation.GELU_TANH, true,
            false, true, List.of());

    @Parameter(0)
    TestBackend backend;

    @Parameter(1)
    WeightType stored;

    @TempDir
    Path directory;

    private final Map<String, float[][]> matrices = new LinkedHashMap<>();
    private final List<Entry> vectors = new ArrayList<>();
    private final SplittableRandom random = new SplittableRandom(9);

    static Stream<Arguments> all() {
        return TestBackend.all().flatMap(backend -> Stream.of(WeightType.INT8, WeightType.Q4)
                .filter(backend::takesWeights).map(type -> Arguments.of(backend, type)));
    }

    @BeforeEach
    void makeModel() {
        matrix("wte.weight", C, V);
        vector("wpe.weight", CONFIG.context(), C);
        norm("h.0.ln_1");
        linear("h.0.attn.c_attn", C, 3 * C);
        linear("h.0.attn.c_proj", C, C);
        norm("h.0.ln_2");
        linear("h.0.mlp.c_fc", C, INNER);
        linear("h.0.mlp.c_proj", INNER, C);
        norm("ln_f");
    }

    private void norm(String name) {
        vector(name + ".weight", C);
        vector(name + ".bias", C);
    }

    private void linear(String name, int inputs, int outputs) {
        matrix(name + ".weight", inputs, outputs);
        vector(name + ".bias", outputs);
    }

    private void vector(String name, long... shape) {
        float[] values = new float[(int) Arrays.stream(shape).reduce(1, (a, b) -> a * b)];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        vectors.add(TestTensors.f32(name, shape, values));
    }

    /** Adds a matrix [k][n]: multiples of a power of two for each block, whose extreme one is that of the type. */
    private void matrix(String name, int inputs, int outputs) {
        float[][] weights = new float[inputs][outputs];
        int extreme = stored == WeightType.INT8 ? -127 : -8;
        for (int n = 0; n < outputs; n++) {
            for (int k0 = 0; k0 < inputs; k0 += stored.blockInputs()) {
                int k1 = Math.min(k0 + stored.blockInputs(), inputs);
                float scale = scale(k0 / stored.blockInputs(), n);
                for (int k = k0; k < k1; k++) {
                    weights[k][n] = random.nextInt(extreme, -extreme) * scale;
                }
                weights[random.nextInt(k0, k1)][n] = extreme * scale;
            }
        }
        matrices.put(name, weights);
    }

    private static float scale(int block, int n) {
        return Math.scalb(1f, -4 - (block + n) % 7);
    }

    /** A matrix in panels, by the description in {@code isthmus.h}. */
    private Entry packed(String name) {
        float[][] weights = matrices.get(name);
        int panels = Math.ceilDiv(weights[0].length, 64);
        int inputs = weights.length;
        long panelBytes = stored == WeightType.INT8
                ? Math.ceilDiv(inputs, 4) * 256L + Math.ceilDiv(inputs, stored.blockInputs()) * 128L
                : Math.ceilDiv(inputs, 32) * (1024L + 128);
        ByteBuffer bytes = ByteBuffer.allocate((int) (panels * panelBytes)).order(ByteOrder.LITTLE_ENDIAN);
        for (int panel = 0; panel < panels; panel++) {
            for (int k0 = 0; k0 < inputs; k0 += stored.blockInputs()) {
                putBlock(bytes, weights, k0, panel * 64);
            }
        }
        assertFalse(bytes.hasRemaining());
        return TestTensors.entry(name, StoredType.U8, new long[] {panels, panelBytes}, bytes.array());
    }

    private void putBlock(ByteBuffer bytes, float[][] weights, int k0, int n0) {
        boolean int8 = stored == WeightType.INT8;
        int depth = int8 ? Math.min(stored.blockInputs(), Math.ceilDiv(weights.length - k0, 4) * 4) : 32;
        for (int k = k0; k < k0 + depth; k += int8 ? 4 : 8) {
            for (int n = n0; n < n0 + 64; n++) {
                for (int j = 0; j < 4; j++) {
                    bytes.put((byte) (int8 ? 128 + quotient(weights, k + j, n)
                            : 8 + quotient(weights, k + j, n) | 8 + quotient(weights, k + 4 + j, n) << 4));
                }
            }
        }
        for (int n = n0; n < n0 + 64; n++) {
            float scale = n < weights[0].length ? scale(k0 / stored.blockInputs(), n) : 0;
            bytes.putShort(Float.floatToFloat16(scale));
        }
    }

    private int quotient(float[][] weights, int k, int n) {
        return k < weights.length && n < weights[0].length
                ? (int) (weights[k][n] / scale(k / stored.blockInputs(), n)) : 0;
    }

    /** A matrix as a checkpoint of floats has it. */
    private Entry plain(String name) {
        float[][] weights = matrices.get(name);
        boolean inOut = name.startsWith("h.");
        int rows = inOut ? weights.length : weights[0].length;
        int columns = inOut ? weights[0].length : weights.length;
        float[] values = new float[rows * columns];
        for (int i = 0; i < values.length; i++) {
            values[i] = inOut ? weights[i / columns][i % columns] : weights[i % columns][i / columns];
        }
        return TestTensors.f32(name, new long[] {rows, columns}, values);
    }

    private String scheme() {
        return stored == WeightType.INT8 ? "int8" : "q4";
    }

    private Checkpoint write(Map<String, String> metadata, UnaryOperator<Entry> change) {
        List<Entry> entries = new ArrayList<>(vectors);
        matrices.keySet().forEach(name -> entries.add(packed(name)));
        SafetensorsWriter.write(directory.resolve(Checkpoint.SINGLE_FILE), metadata,
                entries.stream().map(change).toList());
        return Checkpoint.open(directory);
    }

    private Checkpoint writePacked() {
        return write(Map.of("isthmus.weights", scheme()), entry -> entry);
    }

    private static Gpt2Weights load(Checkpoint checkpoint, WeightMemory memory, Optional<WeightType> type, Arena arena) {
        return Gpt2Loader.load(checkpoint, CONFIG, memory, type, arena, 3, (done, total) -> {});
    }

    private static Map<String, Matrix> matrices(Gpt2Weights weights) {
        Gpt2Weights.Block block = weights.blocks().getFirst();
        assertSame(weights.tokenEmbedding(), weights.head().weight());
        return Map.of("wte.weight", weights.tokenEmbedding(),
                "h.0.attn.c_attn.weight", block.attentionInput().weight(),
                "h.0.attn.c_proj.weight", block.attentionOutput().weight(),
                "h.0.mlp.c_fc.weight", block.feedForwardInput().weight(),
                "h.0.mlp.c_proj.weight", block.feedForwardOutput().weight());
    }

    /** The matrices have these weights, rounded to a type. */
    private void assertHold(Gpt2Weights weights, WeightType rounded) {
        Map<String, Matrix> found = matrices(weights);
        assertEquals(matrices.keySet(), found.keySet());
        found.forEach((name, matrix) -> {
            float[][] expected = matrices.get(name);
            assertEquals(expected.length, matrix.inputs(), name);
            assertEquals(expected[0].length, matrix.outputs(), name);
            for (int n = 0; n < matrix.outputs(); n++) {
                for (int k0 = 0; k0 < matrix.inputs(); k0 += rounded.blockInputs()) {
                    float[] block = new float[Math.min(rounded.blockInputs(), matrix.inputs() - k0)];
                    for (int i = 0; i < block.length; i++) {
                        block[i] = expected[k0 + i][n];
                    }
                    Rounding.round(rounded, block, block.length);
                    for (int i = 0; i < block.length; i++) {
                        float value = matrix instanceof PackedMatrix packed ? packed.weight(k0 + i, n)
                                : ((PlainMatrix) matrix).get(k0 + i, n);
                        assertEquals(block[i], value, 0f, name + " (" + (k0 + i) + ", " + n + ")");
                    }
                }
            }
        });
    }

    @Test
    void aPackedFileHoldsWhatPackingAtLoadWouldMake() {
        try (Backend opened = backend.open(1); Arena arena = Arena.ofShared()) {
            try (Checkpoint checkpoint = writePacked()) {
                Gpt2Weights weights = load(checkpoint, opened.weights(), Optional.empty(), arena);
                assertHold(weights, WeightType.F32);
                assertHold(load(checkpoint, opened.weights(), Optional.of(stored), arena), WeightType.F32);
                assertEquals(opened.weights().packs() ? stored : WeightType.F32, weights.head().weight().type());
                assertEquals(List.of(), Gpt2Loader.unused(checkpoint, CONFIG));
            }
            List<Entry> entries = new ArrayList<>(vectors);
            matrices.keySet().forEach(name -> entries.add(plain(name)));
            SafetensorsWriter.write(directory.resolve(Checkpoint.SINGLE_FILE), Map.of(), entries);
            try (Checkpoint checkpoint = Checkpoint.open(directory)) {
                assertHold(load(checkpoint, opened.weights(), Optional.of(stored), arena), WeightType.F32);
            }
        }
    }

    @ParameterizedTest
    @EnumSource(WeightType.class)
    void aPackedFileMayBeKeptAsAnyType(WeightType type) {
        try (Backend opened = backend.open(1); Arena arena = Arena.ofShared(); Checkpoint checkpoint = writePacked()) {
            assertHold(load(checkpoint, opened.weights(), Optional.of(type), arena), type == stored ? WeightType.F32 : type);
        }
    }

    private CheckpointException refusal(Map<String, String> metadata, UnaryOperator<Entry> change) {
        try (Backend opened = backend.open(1); Arena arena = Arena.ofShared();
                Checkpoint checkpoint = write(metadata, change)) {
            return assertThrows(CheckpointException.class, () -> load(checkpoint, opened.weights(), Optional.empty(), arena));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"q5", "q8_0", "INT8", ""})
    void anUnknownSchemeIsRefusedByName(String scheme) {
        CheckpointException refused = refusal(Map.of("isthmus.weights", scheme), entry -> entry);
        assertEquals(Reason.WRONG_TYPE, refused.reason());
        assertTrue(refused.getMessage().contains("'" + scheme + "'"), refused.getMessage());
        assertTrue(refused.getMessage().contains("f32, f16, bf16, int8 or q4"), refused.getMessage());
    }

    @Test
    void bytesOfNoSchemeAreRefused() {
        CheckpointException refused = refusal(Map.of(), entry -> entry);
        assertTrue(refused.getMessage().contains("wte.weight"), refused.getMessage());
    }

    @Test
    void aPackedMatrixOfAnotherShapeIsRefusedWithBothShapes() {
        for (String name : matrices.keySet()) {
            CheckpointException refused = refusal(Map.of("isthmus.weights", scheme()), entry -> {
                if (!entry.name().equals(name)) {
                    return entry;
                }
                long[] dims = entry.shape().dims();
                return TestTensors.entry(name, StoredType.U8, new long[] {dims[1], dims[0]},
                        new byte[(int) (dims[0] * dims[1])]);
            });
            assertEquals(Reason.WRONG_SHAPE, refused.reason());
            long[] dims = packed(name).shape().dims();
            assertTrue(refused.getMessage().contains(name), refused.getMessage());
            assertTrue(refused.getMessage().contains("[" + dims[0] + ", " + dims[1] + "]"), refused.getMessage());
            assertTrue(refused.getMessage().contains("[" + dims[1] + ", " + dims[0] + "]"), refused.getMessage());
        }
    }

    @Test
    void onlyMatricesMayBeBytes() {
        CheckpointException refused = refusal(Map.of("isthmus.weights", scheme()), entry ->
                entry.name().equals("wpe.weight") ? TestTensors.entry("wpe.weight", StoredType.U8,
                        entry.shape().dims(), new byte[(int) entry.shape().elements()]) : entry);
        assertEquals(Reason.WRONG_TYPE, refused.reason());
        assertTrue(refused.getMessage().contains("wpe.weight"), refused.getMessage());
    }

    @Test
    void oneAreaHoldsAllWeightsAndIsFreedWithTheArena() {
        List<MemorySegment> areas = new ArrayList<>();
        Arena arena = Arena.ofShared();
        try (Backend opened = backend.open(1); Checkpoint checkpoint = writePacked()) {
            WeightMemory counting = watched(opened.weights(), areas);
            // As another type than the file's, so that none is used where it lies there.
            Gpt2Weights weights = load(checkpoint, counting, Optional.of(WeightType.F16), arena);
            assertEquals(1, areas.size());
            for (Matrix matrix : matrices(weights).values()) {
                MemorySegment data = matrix instanceof PackedMatrix packed ? packed.data()
                        : ((PlainMatrix) matrix).weight().data();
                assertTrue(areas.getFirst().asOverlappingSlice(data).isPresent());
            }
        } finally {
            arena.close();
        }
        assertFalse(areas.getFirst().scope().isAlive());
    }

    /** This memory, noting what it allocates. */
    private static WeightMemory watched(WeightMemory memory, List<MemorySegment> areas) {
        return (WeightMemory) Proxy.newProxyInstance(WeightMemory.class.getClassLoader(), new Class<?>[] {WeightMemory.class},
                (proxy, method, arguments) -> {
                    try {
                        // Through the proxy, so that what a default method calls is noted too.
                        Object result = method.getName().equals("allocator")
                                ? InvocationHandler.invokeDefault(proxy, method, arguments)
                                : method.invoke(memory, arguments);
                        if (method.getName().equals("allocate")) {
                            areas.add((MemorySegment) result);
                        }
                        return result;
                    } catch (InvocationTargetException e) {
                        throw e.getCause();
                    }
                });
    }
}
