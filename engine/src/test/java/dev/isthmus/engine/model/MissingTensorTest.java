package dev.isthmus.engine.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.checkpoint.Checkpoint;
import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.CheckpointException.Reason;
import dev.isthmus.engine.weights.TestTensors;
import dev.isthmus.engine.weights.gguf.GgufBytes;
import dev.isthmus.engine.weights.safetensors.SafetensorsWriter;
import dev.isthmus.engine.weights.safetensors.SafetensorsWriter.Entry;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What is said of a tensor that is not where it should be. */
class MissingTensorTest {

    private static final String SHARD = "model-00001-of-00001.safetensors";

    @TempDir
    Path directory;

    private static List<CheckpointException> faults(Path path, Gpt2Config config) {
        try (Checkpoint checkpoint = Checkpoint.open(path)) {
            return Gpt2Loader.faults(checkpoint, config);
        }
    }

    @ParameterizedTest
    @CsvSource({"module., model.module", "_orig_mod., torch.compile", "module._orig_mod., innermost",
        "_orig_mod.module., innermost", "module.transformer., model.module", "_orig_mod.transformer., model._orig_mod",
        "base_model.model.transformer., merge_and_unload", "gpt2., not one of GPT-2's"})
    void aForeignPrefixIsNamedWithItsRemedy(String prefix, String remedy) throws IOException {
        TestTensors.write(directory, TinyGpt2.entries(prefix));
        CheckpointException fault = faults(directory, TinyGpt2.config(true)).getFirst();
        assertEquals(Reason.MISSING_TENSOR, fault.reason());
        assertTrue(fault.getMessage().contains("found it as " + prefix + "wte.weight"), fault.getMessage());
        assertTrue(fault.getMessage().contains(remedy) && fault.getMessage().contains("save_pretrained"),
                fault.getMessage());
    }

    @ParameterizedTest
    @CsvSource({"base_model.model.transformer.h.0.attn.c_attn.lora_A.weight", "transformer.h.0.mlp.c_fc.lora_B.default"})
    void loraWeightsAreNoModel(String name) throws IOException {
        TestTensors.write(directory, List.of(TestTensors.f32(name, new long[] {1, 1}, 0)));
        String message = faults(directory, TinyGpt2.config(true)).getFirst().getMessage();
        assertTrue(message.contains("LoRA adapter") && message.contains("merge_and_unload"), message);
    }

    private void shard(String indexed, List<Entry> entries) throws IOException {
        SafetensorsWriter.write(directory.resolve(SHARD), Map.of(), entries);
        Files.writeString(directory.resolve(Checkpoint.INDEX_FILE), "{\"weight_map\":{\"ln_f.bias\":\"" + SHARD
                + "\",\"" + indexed + "\":\"" + SHARD + "\"}}");
    }

    @Test
    void anIndexMayNameWhatTheModelDoesNotNeed() throws IOException {
        for (String unneeded : List.of("lm_head.weight", "h.0.attn.bias", "h.9.attn.masked_bias", "score.weight")) {
            shard(unneeded, TinyGpt2.entries(""));
            assertEquals(List.of(), faults(directory, TinyGpt2.config(true)), unneeded);
        }
    }

    @Test
    void aNeededTensorThatOnlyTheIndexHasIsRefused() throws IOException {
        for (String indexed : List.of("wpe.weight", "transformer.wpe.weight")) {
            shard(indexed, TinyGpt2.entries("").stream().filter(each -> !each.name().equals("wpe.weight")).toList());
            CheckpointException fault = faults(directory, TinyGpt2.config(true)).getFirst();
            assertEquals(Reason.INVALID_SHARD, fault.reason());
            assertTrue(fault.getMessage().contains(SHARD + ": expected tensor " + indexed), fault.getMessage());
        }
    }

    @Test
    void aGgufFilesFaultSpeaksOfGguf() throws IOException {
        Path file = Files.write(directory.resolve("m.gguf"), new GgufBytes()
                .tensor("token_embd.weight", 0, new byte[TinyGpt2.VOCABULARY * TinyGpt2.CHANNELS * 4],
                        TinyGpt2.CHANNELS, TinyGpt2.VOCABULARY)
                .tensor("position_embd.weight", 0, new byte[16], TinyGpt2.CHANNELS, 1).bytes());
        List<CheckpointException> faults = faults(file, TinyGpt2.config(true));
        assertTrue(faults.get(0).getMessage().contains("by the file's metadata"), faults.get(0).getMessage());
        assertTrue(faults.get(1).getMessage().contains("blk.0.attn_norm.weight by the file's metadata"
                + " (gpt2.block_count 2)"), faults.get(1).getMessage());
        faults.forEach(fault -> assertFalse(fault.getMessage().contains("config.json"), fault.getMessage()));
    }
}
