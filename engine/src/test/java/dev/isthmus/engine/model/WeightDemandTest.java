package dev.isthmus.engine.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.checkpoint.Checkpoint;
import dev.isthmus.engine.config.Activation;
import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.errors.OutOfMemoryException;
import dev.isthmus.engine.kernels.Backend;
import dev.isthmus.engine.kernels.Backends;
import dev.isthmus.engine.memory.FakeSystem;
import dev.isthmus.engine.memory.MemoryBudget;
import dev.isthmus.engine.tensor.Shape;
import dev.isthmus.engine.weights.StoredType;
import dev.isthmus.engine.weights.safetensors.SafetensorsWriter;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Weights that do not fit into memory are refused before they are read: here the token embedding's 19 MB. */
class WeightDemandTest {

    private static final int CHANNELS = 96;
    private static final Gpt2Config CONFIG = new Gpt2Config(1, 3, CHANNELS, 4 * CHANNELS, 40, 50_000, 1e-5,
            Activation.GELU_TANH, true, false, true, List.of());

    @TempDir
    Path directory;

    private final AtomicInteger reads = new AtomicInteger();

    @BeforeEach
    void write() {
        List<SafetensorsWriter.Entry> entries = new ArrayList<>();
        add(entries, "wte.weight", CONFIG.vocabulary(), CHANNELS);
        add(entries, "wpe.weight", CONFIG.context(), CHANNELS);
        for (String norm : List.of("h.0.ln_1", "h.0.ln_2", "ln_f")) {
            add(entries, norm + ".weight", CHANNELS);
            add(entries, norm + ".bias", CHANNELS);
        }
        addLinear(entries, "h.0.attn.c_attn", CHANNELS, 3 * CHANNELS);
        addLinear(entries, "h.0.attn.c_proj", CHANNELS, CHANNELS);
        addLinear(entries, "h.0.mlp.c_fc", CHANNELS, 4 * CHANNELS);
        addLinear(entries, "h.0.mlp.c_proj", 4 * CHANNELS, CHANNELS);
        SafetensorsWriter.write(directory.resolve("model.safetensors"), Map.of(), entries);
    }

    private static void addLinear(List<SafetensorsWriter.Entry> entries, String name, int inputs, int outputs) {
        add(entries, name + ".weight", inputs, outputs);
        add(entries, name + ".bias", outputs);
    }

    private static void add(List<SafetensorsWriter.Entry> entries, String name, long... dims) {
        Shape shape = new Shape(dims);
        entries.add(new SafetensorsWriter.Entry(name, StoredType.F32, shape,
                MemorySegment.ofArray(new float[(int) shape.elements()])));
    }

    /** Loads on a machine of so much memory; the bytes that the weights took. */
    private long load(Backend backend, Optional<WeightType> type, int mebibytes) throws IOException {
        MemoryBudget budget = new MemoryBudget(new FakeSystem(directory.resolve("root"), mebibytes).memory(), 0);
        try (backend; Arena arena = Arena.ofShared(); Checkpoint checkpoint = Checkpoint.open(directory)) {
            return Gpt2Loader.load(checkpoint, CONFIG, backend.weights(), type, arena,
                    new Gpt2Loader.Reading(2, (done, all) -> reads.incrementAndGet(), budget)).memoryBytes();
        }
    }

    @Test
    void tooMuchIsRefusedBeforeItIsRead() {
        String message = assertThrows(OutOfMemoryException.class,
                () -> load(Backends.cpu(1), Optional.empty(), 40)).getMessage();
        assertEquals(0, reads.get());
        assertTrue(message.contains("the weights need 20 MB as F32"), message);
        assertTrue(message.contains("machine has 41 MB (40 MiB)"), message);
        assertTrue(message.contains("INT8 (5 MB)") && message.contains("Q4 (") && !message.contains("F16 ("), message);
        assertFalse(message.contains("--"), message);
    }

    @Test
    void whatFitsIsRead() throws IOException {
        assertEquals(20, Math.round(load(Backends.cpu(1), Optional.empty(), 60) / 1e6));
        assertEquals(5, Math.round(load(Backends.cpu(1), Optional.of(WeightType.INT8), 40) / 1e6));
        assertTrue(reads.get() > 0);
    }

    /** It keeps all matrices in float32, whatever it is asked for. */
    @Test
    void theReferenceNeedsAsMuchAsForF32() {
        String message = assertThrows(OutOfMemoryException.class,
                () -> load(Backends.reference(), Optional.of(WeightType.INT8), 40)).getMessage();
        assertFalse(message.contains("mapped"), message);
    }
}
