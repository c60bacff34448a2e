package dev.isthmus.tools;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.checkpoint.Checkpoint;
import dev.isthmus.tools.io.Digests;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is found out about a model, and the exit code that goes with it. */
class VerifyCommandTest {

    @TempDir
    private Path folder;

    private Path model;

    @BeforeEach
    void makeModel() throws IOException {
        model = TinyModel.write(folder.resolve("model"));
    }

    private void verifies(int code, String... parts) {
        CommandRun run = CommandRun.of("verify", model.toString());
        assertEquals(code, run.code(), run.out() + run.err());
        for (String part : parts) {
            assertTrue(run.out().contains(part), "expected '" + part + "' in: " + run.out());
        }
    }

    private void configure(String before, String after) throws IOException {
        Path config = model.resolve("config.json");
        Files.writeString(config, Files.readString(config).replace(before, after));
    }

    @Test
    void aSoundModel() {
        verifies(0, "sound: 28 tensors", "all 28 tensors", "0 NaN and 0 infinite among 438,272 numbers",
                Digests.sha256(model.resolve("model.safetensors")), "not one of the published");
        CommandRun json = CommandRun.of("verify", model.toString(), "--json");
        assertTrue(json.out().startsWith("{\"path\":\"" + model + "\",\"sound\":true,\"faults\":[],"
                + "\"expected_tensors\":28,\"unused\":[],\"numbers\":438272,\"nan\":0,\"infinite\":0,"
                + "\"non_finite_tensors\":[],\"sha256\":{\"model.safetensors\":\""), json.out());
        assertTrue(json.out().endsWith("\"identity\":null}\n"), json.out());
    }

    @Test
    void aFaultIsListedOnce() throws IOException {
        model = Files.write(model.resolve("m.gguf"), new byte[] {'G', 'G', 'U', 'F', 1, 0, 0, 0});
        CommandRun run = CommandRun.of("verify", model.toString());
        assertEquals(1, run.code(), run.err());
        assertEquals(1, run.out().lines().filter(line -> line.startsWith("fault")).count(), run.out());
    }

    @Test
    void aFileAlone() {
        model = model.resolve("model.safetensors");
        verifies(0, "sound: 28 tensors", "not looked at: this is a file alone");
    }

    @Test
    void everyTensorThatTheConfigurationAsksForMustBeThere() throws IOException {
        configure("\"n_layer\": 2", "\"n_layer\": 3");
        verifies(1, "tensor h.2.ln_1.weight", "tensor h.2.mlp.c_proj.bias");
        configure("\"n_layer\": 3", "\"n_layer\": 2");
        configure("\"n_positions\": 64", "\"n_positions\": 65");
        verifies(1, "tensor wpe.weight: expected shape [65, 128] by config.json, found [64, 128]");
    }

    @Test
    void whatTheConfigurationDoesNotAskForIsListed() throws IOException {
        configure("\"n_layer\": 2", "\"n_layer\": 1");
        verifies(0, "all 16 tensors", "12 tensors that GPT-2 does not need: h.1.attn.c_attn.bias [384]", "and 4 more");
    }

    @Test
    void whatIsNotFiniteIsCountedAndNamed() throws IOException {
        Path weights = model.resolve("model.safetensors");
        ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(weights)).order(ByteOrder.LITTLE_ENDIAN);
        try (Checkpoint checkpoint = Checkpoint.open(model)) {
            int begin = (int) checkpoint.tensor("h.1.ln_2.bias").orElseThrow().begin();
            bytes.putFloat(begin, Float.NaN).putFloat(begin + 8, Float.NaN);
            bytes.putFloat(begin + 12, Float.NEGATIVE_INFINITY);
        }
        Files.write(weights, bytes.array());
        verifies(1, "2 NaN and 1 infinite among 438,272 numbers, in h.1.ln_2.bias");
    }

    @Test
    void damagedFilesAreFaults() throws IOException {
        Path weights = model.resolve("model.safetensors");
        Files.write(weights, Arrays.copyOf(Files.readAllBytes(weights), 100_000));
        verifies(1, "fault", "expected 1753088 bytes of tensors after the header");
        Files.writeString(model.resolve("vocab.json"), "{");
        Files.writeString(model.resolve("config.json"), "[");
        verifies(1, "config.json", "vocab.json", "model.safetensors");
        CommandRun json = CommandRun.of("verify", model.toString(), "--json");
        assertEquals(1, json.code());
        assertTrue(json.out().contains("\"sound\":false,\"faults\":[\""), json.out());
    }

    @Test
    void aPublishedModelsNameMustStandForThePublishedModel() throws IOException {
        Path snapshot = folder.resolve("cache/models--openai-community--gpt2/snapshots/a");
        Files.createDirectories(snapshot.getParent());
        Files.move(model, snapshot);
        for (String name : List.of("gpt2", "openai-community/gpt2")) {
            CommandRun run = CommandRun.withInput("", Map.of("HF_HUB_CACHE", folder.resolve("cache").toString()),
                    "verify", name);
            assertEquals(1, run.code(), run.err());
            assertTrue(run.err().contains("not the published weights of openai-community/gpt2"), run.err());
        }
        assertEquals(0, CommandRun.of("verify", snapshot.toString()).code());
    }

    @Test
    void aPickleIsRefusedWithTheReasonAndTheWayOut() throws IOException {
        Files.move(model.resolve("model.safetensors"), model.resolve("pytorch_model.bin"));
        verifies(1, "pytorch_model.bin", "runs code", "save_pretrained");
        for (CommandRun run : List.of(CommandRun.of("inspect", model.toString()),
                CommandRun.of("generate", "the", "--model", model.toString()))) {
            assertEquals(1, run.code());
            assertTrue(run.err().contains("runs code"), run.err());
        }
    }
}
