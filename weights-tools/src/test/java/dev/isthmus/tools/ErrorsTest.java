package dev.isthmus.tools;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Each thing that goes wrong ends with 1 and a message that says what, where and what to do, in a real process. */
class ErrorsTest {

    @TempDir
    static Path folder;

    private static Path model;

    @BeforeAll
    static void makeModel() throws IOException {
        model = TinyModel.write(folder.resolve("model"));
    }

    /** Runs a command that must fail, and checks that its message has these parts. */
    private static ProcessRun fails(List<String> options, Map<String, String> environment, List<String> parts,
            String... args) throws IOException, InterruptedException {
        ProcessRun run = ProcessRun.of(folder, options, environment, args);
        assertEquals(1, run.code(), run.err());
        assertTrue(run.err().contains("isthmus: error: "), run.err());
        for (String part : parts) {
            assertTrue(run.err().contains(part), "expected '" + part + "' in: " + run.err());
        }
        assertFalse(run.err().contains("\tat "), run.err());
        assertFalse(run.err().contains("this is a bug"), run.err());
        assertFalse(run.crashed());
        return run;
    }

    private static void fails(List<String> parts, String... args) throws IOException, InterruptedException {
        fails(List.of(), Map.of(), parts, args);
    }

    private static Path copy(String name) throws IOException {
        return TinyModel.write(folder.resolve(name));
    }

    @Test
    void aModelThatIsNotThere() throws Exception {
        fails(List.of("there is no model 'nowhere'", "isthmus fetch gpt2"), "generate", "the", "--model", "nowhere");
        String missing = folder.resolve("no").toString();
        fails(List.of("there is no model", missing), "inspect", missing);
    }

    @Test
    void aDirectoryThatIsNoModel() throws Exception {
        Path empty = Files.createDirectories(folder.resolve("empty"));
        fails(List.of(empty.toString(), "config.json"), "generate", "the", "--model", empty.toString());
        fails(List.of(empty.toString(), "model.safetensors"), "inspect", empty.toString());
        fails(List.of(empty.toString(), "vocab.json"), "tokenize", "the", "--model", empty.toString());
        Path file = Files.writeString(folder.resolve("notes.txt"), "no model");
        fails(List.of(file.toString()), "generate", "the", "--model", file.toString());
        fails(List.of(file.toString()), "inspect", file.toString());
    }

    @Test
    void aMissingWeightsFile() throws Exception {
        Path broken = copy("without weights");
        Files.delete(broken.resolve("model.safetensors"));
        fails(List.of(broken.toString(), "model.safetensors"), "generate", "the", "--model", broken.toString());
    }

    @Test
    void aTruncatedWeightsFile() throws Exception {
        Path broken = copy("truncated");
        Path weights = broken.resolve("model.safetensors");
        byte[] bytes = Files.readAllBytes(weights);
        for (int length : new int[] {0, 5, 100, bytes.length - 1}) {
            Files.write(weights, java.util.Arrays.copyOf(bytes, length));
            fails(List.of(weights.toString()), "generate", "the", "--model", broken.toString());
        }
    }

    @Test
    void aTensorOfAnotherShapeThanTheConfigurationAsksFor() throws Exception {
        Path broken = copy("shape");
        Path config = broken.resolve("config.json");
        Files.writeString(config, Files.readString(config).replace("\"n_embd\": 128", "\"n_embd\": 96"));
        fails(List.of("model.safetensors", "wte.weight", "[260, 96]", "[260, 128]"), "generate", "the", "--model",
                broken.toString());
    }

    @Test
    void aConfigurationThatIsNotComputed() throws Exception {
        Path broken = copy("config");
        Path config = broken.resolve("config.json");
        Files.writeString(config, Files.readString(config).replace("gelu_new", "swish"));
        fails(List.of("config.json", "activation_function", "swish"), "generate", "the", "--model", broken.toString());
        Files.writeString(config, "{");
        fails(List.of("config.json"), "generate", "the", "--model", broken.toString());
    }

    @Test
    void idsThatTheModelDoesNotKnow() throws Exception {
        fails(List.of("260"), "generate", "--ids", "1,260", "--model", model.toString());
        fails(List.of("-1"), "score", "--ids=1,-1", "--model", model.toString());
        fails(List.of("999"), "logits", "--ids", "999", "-o", "x.safetensors", "--model", model.toString());
        fails(List.of("1000000"), "tokenize", "--decode", "1000000", "--model", model.toString());
        assertFalse(Files.exists(folder.resolve("x.safetensors")));
    }

    @Test
    void emptyPrompts() throws Exception {
        fails(List.of("the prompt is empty"), "generate", "", "--model", model.toString());
        fails(List.of("the prompt is empty"), "generate", "--ids", "", "--model", model.toString());
        fails(List.of("the prompt is empty"), "logits", "--text", "", "-o", "x.safetensors", "--model",
                model.toString());
        fails(List.of("at least two tokens"), "score", "--text", "a", "--model", model.toString());
    }

    @Test
    void promptsLongerThanTheContext() throws Exception {
        String text = "x".repeat(TinyModel.CONTEXT + 1);
        fails(List.of("limit is 64 tokens"), "generate", text, "--model", model.toString());
        fails(List.of("limit is 64 tokens"), "logits", "--all", "--text", text, "-o", "x.safetensors", "--model",
                model.toString());
    }

    @Test
    void filesThatCannotBeReadOrWritten() throws Exception {
        fails(List.of("no-such.txt", "no such file"), "generate", "--file", "no-such.txt", "--model",
                model.toString());
        fails(List.of(folder.toString(), "found a directory"), "score", "--file", folder.toString(), "--model",
                model.toString());
        fails(List.of("no-such-folder"), "logits", "--text", "the", "-o", "no-such-folder/x", "--model",
                model.toString());
        Path bytes = Files.write(folder.resolve("latin1.txt"), new byte[] {'a', (byte) 0xE9, 'b'});
        fails(List.of("latin1.txt", "UTF-8", "byte 1"), "generate", "--file", bytes.toString(), "--model",
                model.toString());
    }

    @Test
    void optionsOutOfRange() throws Exception {
        fails(List.of("temperature"), "generate", "the", "--temperature", "-1", "--model", model.toString());
        fails(List.of("top-p"), "generate", "the", "--top-p", "2", "--model", model.toString());
        fails(List.of("max tokens"), "generate", "the", "--max-tokens", "0", "--model", model.toString());
        fails(List.of("stride"), "score", "--text", "the cat", "--stride", "65", "--model", model.toString());
    }

    @Test
    void tooLittleMemory() throws Exception {
        fails(List.of("-Xmx8m"), Map.of(), List.of("memory", "ISTHMUS_JAVA_OPTS"), "tokenize", "--file",
                Files.writeString(folder.resolve("large.txt"), "x".repeat(20_000_000)).toString(), "--model",
                model.toString());
    }

    @Test
    void noModelOfPublishedNumbers() throws Exception {
        fails(List.of("no published check applies"), "parity", "--model", model.toString());
    }

    @Test
    void verboseShowsTheStackTrace() throws Exception {
        ProcessRun run = ProcessRun.of(folder, List.of(), Map.of(), "generate", "the", "--model", "nowhere",
                "--verbose");
        assertEquals(1, run.code());
        assertTrue(run.err().contains("\tat dev.isthmus"), run.err());
    }

    @Test
    void withoutAccessToNativeCodeTheMessageSaysSo() throws Exception {
        ProcessRun run = ProcessRun.of(folder, List.of("--illegal-native-access=deny"), Map.of(), "info");
        assertFalse(run.err().contains("\tat "), run.err());
        assertFalse(run.crashed());
        assertTrue((run.out() + run.err()).contains("--enable-native-access"), run.out() + run.err());
    }

    @Test
    void aHomeAndACacheThatCannotBeWrittenDoNoHarm() throws Exception {
        // A file where a directory is expected cannot be written to by anyone, root included.
        Path file = Files.writeString(folder.resolve("occupied"), "");
        ProcessRun run = ProcessRun.of(folder, List.of("-Duser.home=" + file),
                Map.of("HOME", file.toString(), "XDG_CACHE_HOME", file.toString(), "ISTHMUS_CACHE", file.toString()),
                "generate", "the", "--model", model.toString(), "--seed", "1");
        assertEquals(0, run.code(), run.err());
        assertTrue(run.out().startsWith("the"), run.out());
        assertFalse(run.crashed());
    }

    @Test
    void withNowhereToUnpackTheLibrariesJavaComputes() throws Exception {
        Path file = Files.writeString(folder.resolve("occupied too"), "");
        ProcessRun run = ProcessRun.of(folder, List.of("-Djava.io.tmpdir=" + file, "-Disthmus.cache=" + file),
                Map.of(), "generate", "the", "--model", model.toString(), "--seed", "1");
        assertEquals(0, run.code(), run.err());
        assertTrue(run.out().startsWith("the"), run.out());
        assertFalse(run.crashed());
    }

    @Test
    void withoutTheCKernelsJavaComputesAndTheCommandSaysSo() throws Exception {
        ProcessRun run = ProcessRun.of(folder, List.of("-Disthmus.native.path=none"), Map.of(), "generate", "the",
                "--model", model.toString(), "--seed", "1");
        assertEquals(0, run.code(), run.err());
        assertTrue(run.out().startsWith("the"), run.out());
        assertTrue(run.err().contains("the C kernels are not available"), run.err());
    }
}
