package dev.isthmus.tools.verify;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.isthmus.engine.checkpoint.Checkpoint;
import dev.isthmus.engine.weights.TensorInfo;
import dev.isthmus.tools.TinyModel;
import dev.isthmus.tools.io.Digests;
import dev.isthmus.tools.parity.OfficialFile;
import dev.isthmus.tools.parity.OfficialModel;
import dev.isthmus.tools.parity.OfficialTensor;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Whether weights are taken for the published ones, with a tiny model in the place of the published one. */
class IdentityTest {

    @TempDir
    private Path folder;

    private OfficialModel published;

    @BeforeEach
    void publish() throws IOException {
        TinyModel.write(folder);
        Map<String, OfficialFile> files = new LinkedHashMap<>();
        for (String name : List.of("model.safetensors", "config.json", "merges.txt")) {
            files.put(name, new OfficialFile(name, OptionalLong.empty(), Digests.sha256(folder.resolve(name))));
        }
        Map<String, OfficialTensor> tensors = new LinkedHashMap<>();
        try (Checkpoint checkpoint = Checkpoint.open(folder)) {
            for (TensorInfo tensor : checkpoint.tensors()) {
                tensors.put(tensor.name(), new OfficialTensor(tensor.name(), tensor.shape(), tensor.begin(),
                        Digests.sha256(checkpoint, tensor)));
            }
        }
        published = new OfficialModel("tiny", "me/tiny", "a".repeat(40), files, tensors);
    }

    private Optional<Identity> byFile() {
        try (Checkpoint checkpoint = Checkpoint.open(folder)) {
            return Identity.byFile(checkpoint, Optional.of(Digests.sha256(folder.resolve("model.safetensors"))),
                    List.of(published));
        }
    }

    private Identity byTensors() {
        try (Checkpoint checkpoint = Checkpoint.open(folder)) {
            return Identity.byTensors(checkpoint, published);
        }
    }

    /** Changes bytes in the middle of the weights' file. */
    private void replace(String before, String after) throws IOException {
        Path weights = folder.resolve("model.safetensors");
        String text = Files.readString(weights, StandardCharsets.ISO_8859_1);
        Files.writeString(weights, text.replace(before, after), StandardCharsets.ISO_8859_1);
    }

    @Test
    void theFileItselfIsKnownByItsHash() throws IOException {
        Files.writeString(folder.resolve("config.json"), " ", StandardOpenOption.APPEND);
        assertEquals(Optional.of(new Identity(published, Identity.Match.FILE, List.of(),
                Map.of("config.json", false, "merges.txt", true))), byFile());
    }

    @Test
    void theSameTensorsInAnotherFileAreKnownByTheirs() throws IOException {
        replace("{\"__metadata__\":{\"format\":\"pt\"}", "{\"__metadata__\":{\"format\":\"PT\"}");
        assertEquals(Optional.empty(), byFile());
        assertEquals(Identity.Match.TENSORS, byTensors().match());
        assertEquals(List.of(), byTensors().differing());
    }

    @Test
    void eachTensorThatDiffersIsNamed() throws IOException {
        Path weights = folder.resolve("model.safetensors");
        byte[] bytes = Files.readAllBytes(weights);
        try (Checkpoint checkpoint = Checkpoint.open(folder)) {
            bytes[(int) checkpoint.tensor("h.1.ln_2.bias").orElseThrow().begin() + 5] ^= 1;
        }
        Files.write(weights, bytes);
        replace("\"ln_f.weight\"", "\"ln_g.weight\"");
        assertEquals(Identity.Match.NONE, byTensors().match());
        assertEquals(Set.of("h.1.ln_2.bias", "ln_f.weight"), Set.copyOf(byTensors().differing()));
    }

    @Test
    void withoutPublishedTensorsNothingIsTakenForThem() {
        published = new OfficialModel("tiny", "me/tiny", "a".repeat(40), published.files(), Map.of());
        assertEquals(Identity.Match.NONE, byTensors().match());
    }
}
