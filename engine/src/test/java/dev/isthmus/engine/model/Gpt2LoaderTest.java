package dev.isthmus.engine.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.isthmus.engine.tensor.Tensor;
import dev.isthmus.engine.weights.Checkpoint;
import dev.isthmus.engine.weights.TestTensors;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class Gpt2LoaderTest {

    @TempDir
    Path directory;

    @Test
    void everyWeightArrivesInItsPlace() throws Exception {
        TestTensors.write(directory, TinyGpt2.entries(""));
        try (Arena arena = Arena.ofShared(); Checkpoint checkpoint = Checkpoint.open(directory)) {
            Gpt2Weights weights = Gpt2Loader.load(checkpoint, TinyGpt2.config(true), arena, 2, (done, total) -> {});
            assertHolds("wte.weight", weights.tokenEmbedding());
            assertHolds("wte.weight", weights.head().weight());
            assertEquals(TinyGpt2.LAYERS, weights.blocks().size());
            assertHolds("h.1.mlp.c_fc.weight", weights.blocks().get(1).feedForwardInput().weight());
        }
    }

    private static void assertHolds(String name, Tensor tensor) {
        long[] shape = TinyGpt2.shapes().get(name);
        assertArrayEquals(shape, tensor.shape().dims(), name);
        assertArrayEquals(TinyGpt2.values(name, shape), tensor.data().toArray(ValueLayout.JAVA_FLOAT), name);
    }
}
