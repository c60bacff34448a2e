package dev.isthmus.engine.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.isthmus.engine.checkpoint.Checkpoint;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.convert.ConvertedTensor;
import dev.isthmus.engine.convert.Gpt2Conversion;
import dev.isthmus.engine.kernels.Backend;
import dev.isthmus.engine.kernels.Backends;
import dev.isthmus.engine.kernels.Layout;
import dev.isthmus.engine.kernels.Matrix;
import dev.isthmus.engine.kernels.PackedMatrix;
import dev.isthmus.engine.kernels.PlainMatrix;
import dev.isthmus.engine.weights.StoredType;
import dev.isthmus.engine.weights.TestTensors;
import dev.isthmus.engine.weights.safetensors.SafetensorsWriter;
import dev.isthmus.engine.weights.safetensors.SafetensorsWriter.Entry;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.IntToDoubleFunction;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Weights that are too small or too large for the scales of quantized types. */
class ScaleRangeTest {

    private static final String CHANGED = "h.1.mlp.c_fc.weight";
    private static final int OUTPUTS = TinyGpt2.INNER;

    @TempDir
    Path directory;

    /** Writes a model in which the factor of an index multiplies each weight of one matrix. */
    private float[] write(IntToDoubleFunction factor) throws IOException {
        List<Entry> entries = new ArrayList<>();
        float[] changed = TinyGpt2.values(CHANGED, TinyGpt2.shapes().get(CHANGED));
        for (int i = 0; i < changed.length; i++) {
            changed[i] *= (float) factor.applyAsDouble(i);
        }
        TinyGpt2.shapes().forEach((name, shape) -> entries.add(TestTensors.f32(name, shape,
                name.equals(CHANGED) ? changed : TinyGpt2.values(name, shape))));
        Files.deleteIfExists(directory.resolve(Checkpoint.SINGLE_FILE));
        TestTensors.write(directory, entries);
        return changed;
    }

    private void load(Backend backend, Optional<WeightType> type, Consumer<Gpt2Weights> check) {
        try (backend; Arena arena = Arena.ofShared(); Checkpoint checkpoint = Checkpoint.open(directory)) {
            check.accept(Gpt2Loader.load(checkpoint, TinyGpt2.config(true), backend.weights(), type, arena, 2, (done, all) -> { }));
        }
    }

    private static Matrix changed(Gpt2Weights weights) {
        return weights.blocks().get(1).feedForwardInput().weight();
    }

    private static float[] values(Matrix matrix) {
        float[] values = new float[matrix.inputs() * matrix.outputs()];
        for (int i = 0; i < values.length; i++) {
            int k = i / matrix.outputs();
            int n = i % matrix.outputs();
            values[i] = matrix instanceof PackedMatrix packed ? packed.weight(k, n) : ((PlainMatrix) matrix).get(k, n);
        }
        return values;
    }

    private static List<Backend> backends() {
        return List.of(Backends.cpu(2), Backends.reference());
    }

    private void keptExactly(WeightType type, IntToDoubleFunction factor) throws IOException {
        float[] expected = write(factor);
        for (Backend backend : backends()) {
            load(backend, Optional.of(type), weights -> {
                assertEquals(WeightType.F32, changed(weights).type());
                assertArrayEquals(expected, values(changed(weights)));
                assertEquals(type, weights.blocks().get(0).feedForwardInput().weight().type());
                assertEquals(type, weights.head().weight().type());
            });
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"INT8", "Q4"})
    void tinyWeightsAreKept(WeightType type) throws IOException {
        keptExactly(type, i -> 1e-6);
        keptExactly(type, i -> 1e-30);
    }

    @ParameterizedTest
    @EnumSource(names = {"INT8", "Q4"})
    void hugeWeightsAreKept(WeightType type) throws IOException {
        keptExactly(type, i -> 1e8);
    }

    @ParameterizedTest
    @EnumSource(names = {"INT8", "Q4"})
    void oneTinyBlockAmongOthersIsKept(WeightType type) throws IOException {
        keptExactly(type, i -> i % OUTPUTS == OUTPUTS - 1 ? 1e-6 : 1);
        keptExactly(type, i -> i % OUTPUTS == 0 ? 1e8 : 1);
    }

    @ParameterizedTest
    @EnumSource(names = {"INT8", "Q4"})
    void smallWeightsAreOffByTwiceTheUsual(WeightType type) throws IOException {
        for (double factor : new double[] {1e-2, 1e-3, 2e-4}) {
            float[] exact = write(i -> factor);
            float[] bounds = largestOfBlocks(type, exact);
            for (Backend backend : backends()) {
                load(backend, Optional.of(type), weights -> {
                    assertEquals(type, changed(weights).type(), () -> "all weights times " + factor);
                    float[] rounded = values(changed(weights));
                    for (int i = 0; i < exact.length; i++) {
                        assertEquals(exact[i], rounded[i], bounds[i] / (type == WeightType.INT8 ? 127 : 7));
                    }
                });
            }
        }
    }

    /** For each weight [inputs, outputs] the largest magnitude of its block. */
    private static float[] largestOfBlocks(WeightType type, float[] weights) {
        float[] largest = new float[weights.length];
        for (int i = 0; i < weights.length; i++) {
            int block = i / OUTPUTS / type.blockInputs();
            for (int k = block * type.blockInputs(); k < Math.min((block + 1) * type.blockInputs(),
                    weights.length / OUTPUTS); k++) {
                largest[i] = Math.max(largest[i], Math.abs(weights[k * OUTPUTS + i % OUTPUTS]));
            }
        }
        return largest;
    }

    @ParameterizedTest
    @EnumSource(names = {"INT8", "Q4"})
    void backendsAgreeNearTheLeastScale(WeightType type) throws IOException {
        for (double factor = 1e-6; factor < 2e-4; factor *= 1.3) {
            double all = factor;
            write(i -> all);
            List<WeightType> types = new ArrayList<>();
            for (Backend backend : backends()) {
                load(backend, Optional.of(type), weights -> types.add(changed(weights).type()));
            }
            assertEquals(types.get(0), types.get(1), () -> "all weights times " + all);
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"INT8", "Q4"})
    void blocksOfZerosAndNaNsStayQuantized(WeightType type) throws IOException {
        for (double factor : new double[] {0, Double.NaN, 1, 0.01, 1000}) {
            write(i -> i % OUTPUTS == 2 ? factor : 1);
            for (Backend backend : backends()) {
                load(backend, Optional.of(type), weights -> assertEquals(type, changed(weights).type()));
            }
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"INT8", "Q4"})
    void aPackedFileKeepsThemToo(WeightType type) throws IOException {
        float[] expected = write(i -> i % OUTPUTS == 1 ? 3e-7 : 1);
        Path packed = Files.createDirectory(directory.resolve("packed"));
        try (Backend backend = Backends.cpu(2); Checkpoint checkpoint = Checkpoint.open(directory)) {
                List<ConvertedTensor> tensors = new Gpt2Conversion(checkpoint, TinyGpt2.config(true))
                    .packed(type, backend.weights(), 2);
            SafetensorsWriter.write(packed.resolve(Checkpoint.SINGLE_FILE), Gpt2Conversion.packedMetadata(type), tensors,
                    64);
            assertEquals(List.of(CHANGED), tensors.stream().filter(tensor -> tensor.name().endsWith("c_fc.weight")
                    && tensor.type() == StoredType.F32).map(ConvertedTensor::name).toList());
            assertTrue(tensors.stream().anyMatch(tensor -> tensor.type() == StoredType.U8));
        }
        directory = packed;
        for (Backend backend : backends()) {
            load(backend, Optional.empty(), weights -> assertArrayEquals(expected, values(changed(weights))));
        }
    }

    @Test
    void theWeightsOfEachBlockTellItsScale() {
        float[] tiny = new float[64];
        Arrays.fill(tiny, 1e-6f);
        assertTrue(ScaleRange.ofQ8().holds(weights(new float[64])));
        assertFalse(ScaleRange.ofQ8().holds(weights(tiny)));
        tiny[33] = 0.5f;
        assertFalse(ScaleRange.ofQ8().holds(weights(tiny)), "the other block of 32 is as tiny as before");
        assertTrue(ScaleRange.of(WeightType.INT8).holds(weights(tiny)), "one block of 128");
    }

    private static ScaleRange.Weights weights(float[] values) {
        return new ScaleRange.Weights(Layout.OUT_IN,
                Arena.ofAuto().allocateFrom(ValueLayout.JAVA_FLOAT, values), values.length, 1);
    }
}
