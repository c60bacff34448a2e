package dev.isthmus.engine.api;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.checkpoint.Checkpoint;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.weights.StoredType;
import dev.isthmus.engine.weights.TensorInfo;
import dev.isthmus.engine.weights.safetensors.SafetensorsWriter;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** What an application sees of the types that weights and caches are kept as, on the usual kernels. */
class StorageTypesTest {

    private static final int[] IDS = IntStream.range(0, 30).map(i -> (37 * i + 11) % 250).toArray();

    @TempDir
    static Path directory;

    @BeforeAll
    static void write() throws IOException {
        TinyModel.write(directory, 2, TinyModel.CONTEXT, 24, 42);
    }

    private static Model open(WeightType type, CacheType cache) {
        return Model.open(directory, ModelOptions.DEFAULT.withThreads(2).withWeights(type).withCache(cache));
    }

    private static float[] logits(WeightType type, CacheType cache) {
        try (Model model = open(type, cache); Session session = model.newSession()) {
            session.append(IDS);
            return session.logits();
        }
    }

    /** The largest difference, as a part of the root mean square. */
    private static double difference(float[] expected, float[] found) {
        double squares = 0;
        double worst = 0;
        for (int i = 0; i < expected.length; i++) {
            squares += (double) expected[i] * expected[i] / expected.length;
            worst = Math.max(worst, Math.abs(expected[i] - found[i]));
        }
        return worst / Math.sqrt(squares);
    }

    @ParameterizedTest
    @CsvSource({"F16,0.005", "BF16,0.05", "INT8,0.1", "Q4,0.6"})
    void weightsOfFewerBitsChangeLogitsAsMuchAsTheyMay(WeightType type, double bound) {
        double found = difference(logits(WeightType.F32, CacheType.F32), logits(type, CacheType.F32));
        assertTrue(found > 0 && found <= bound, "found " + found);
    }

    /** Powers of two that a norm and the matrix after it exchange change nothing in float32. */
    @ParameterizedTest
    @CsvSource({"INT8,0.1", "Q4,0.6"})
    void weightsBeyondTheScalesRangeCount(WeightType type, double bound, @TempDir Path rescaled) throws IOException {
        TinyModel.write(rescaled, 2, TinyModel.CONTEXT, 24, 42);
        rescale(rescaled, Map.of("ln_1", 0x1p-34f, "c_attn.weight", 0x1p34f, "ln_2", 0x1p22f, "c_fc.weight", 0x1p-22f));
        float[] expected = logits(WeightType.F32, CacheType.F32);
        for (WeightType each : List.of(WeightType.F32, type)) {
            try (Model model = Model.open(rescaled, ModelOptions.DEFAULT.withWeights(each).withCache(CacheType.F32));
                    Session session = model.newSession()) {
                session.append(IDS);
                double found = difference(expected, session.logits());
                assertTrue(found <= (each == WeightType.F32 ? 1e-5 : bound), each + ": found " + found);
            }
        }
    }

    private static void rescale(Path model, Map<String, Float> factors) throws IOException {
        Path file = model.resolve(Checkpoint.SINGLE_FILE);
        List<SafetensorsWriter.Entry> entries = new ArrayList<>();
        try (Checkpoint checkpoint = Checkpoint.open(model)) {
            for (TensorInfo tensor : checkpoint.tensors()) {
                MemorySegment values = Arena.ofAuto().allocate(ValueLayout.JAVA_FLOAT, tensor.shape().elements());
                checkpoint.readF32(tensor, 0, values);
                float factor = factors.entrySet().stream().filter(each -> tensor.name().contains(each.getKey()))
                        .map(Map.Entry::getValue).findFirst().orElse(1f);
                for (long i = 0; i < tensor.shape().elements(); i++) {
                    values.setAtIndex(ValueLayout.JAVA_FLOAT, i, values.getAtIndex(ValueLayout.JAVA_FLOAT, i) * factor);
                }
                entries.add(new SafetensorsWriter.Entry(tensor.name(), StoredType.F32, tensor.shape(), values));
            }
        }
        Files.delete(file);
        SafetensorsWriter.write(file, Map.of(), entries);
    }

    /** With INT8 and Q4 a little change becomes a step of a 127th for activations that are rounded to bytes. */
    @ParameterizedTest
    @CsvSource({"F32,0.002", "F16,0.002", "BF16,0.002", "INT8,0.05", "Q4,0.05"})
    void aFloat16CacheChangesLogitsLittle(WeightType type, double bound) {
        double found = difference(logits(type, CacheType.F32), logits(type, CacheType.F16));
        assertTrue(found > 0 && found <= bound, "found " + found);
    }

    @ParameterizedTest
    @EnumSource(WeightType.class)
    void aCacheOfBytesChangesLogitsLittle(WeightType type) {
        double found = difference(logits(type, CacheType.F32), logits(type, CacheType.INT8));
        assertTrue(found > 0 && found <= 0.05, "found " + found);
    }

    @ParameterizedTest
    @EnumSource(WeightType.class)
    void anAutomaticCacheIsOfBytesWhereTheWeightsHaveEightBitsOrFewer(WeightType type) {
        CacheType chosen = type.isQuantized() ? CacheType.INT8 : CacheType.F32;
        assertArrayEquals(logits(type, chosen), logits(type, CacheType.AUTO));
    }

    @ParameterizedTest
    @EnumSource(value = CacheType.class, names = {"F32", "F16", "INT8"})
    void sessionsRewindAndReadInChunksAlikeWithAnyCache(CacheType cache) {
        try (Model model = open(WeightType.INT8, cache); Session session = model.newSession();
                Session chunks = model.newSession()) {
            session.append(IDS);
            float[] logits = session.logits();
            session.rewind(4);
            session.append(200, 100);
            session.rewind(4);
            session.append(Arrays.copyOfRange(IDS, 4, IDS.length));
            assertArrayEquals(logits, session.logits());
            for (int id : IDS) {
                chunks.append(id);
            }
            assertArrayEquals(logits, chunks.logits());
        }
    }

    @Test
    void generatingWithAFloat16CacheContinuesTheSession() {
        try (Model model = open(WeightType.Q4, CacheType.F16); Session session = model.newSession();
                Session other = model.newSession()) {
            session.append(1, 2, 3);
            for (Token token : session.generate(GenerationOptions.builder().greedy().maxTokens(20)
                    .stopAtEndOfText(false).build())) {
                assertFalse(token.id() < 0);
            }
            assertEquals(23, session.length());
            other.append(session.tokens());
            assertArrayEquals(other.logits(), session.logits());
        }
    }

    @Test
    void theReferenceKeepsItsCacheInFloat64WhateverIsAskedFor() {
        ModelOptions options = ModelOptions.DEFAULT.withBackend(BackendChoice.REFERENCE);
        try (Model asked = Model.open(directory, options.withCache(CacheType.F16));
                Model usual = Model.open(directory, options); Session a = asked.newSession();
                Session b = usual.newSession()) {
            a.append(IDS);
            b.append(IDS);
            assertArrayEquals(b.logits(), a.logits());
        }
    }
}
