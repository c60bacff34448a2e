package dev.isthmus.engine.faults;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.ChildJvm;
import dev.isthmus.engine.api.TinyModel;
import dev.isthmus.engine.weights.gguf.GgufBytes;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Whatever goes wrong while a model is opened ends in a typed error and leaves no memory behind: {@link LoadingFaults}
 * lets it go wrong in a process of its own, whose memory outside the Java heap is the same before and after.
 */
class LoadingFaultsTest {

    /** The kinds of model. */
    enum Kind {
        SAFETENSORS,
        GGUF
    }

    @TempDir
    Path directory;

    private record Model(Path path, Path weights, int headerEnd) {}

    private record Outcome(int refused, int opened) {}

    private Model write(Kind kind) throws IOException {
        if (kind == Kind.SAFETENSORS) {
            Path weights = TinyModel.write(directory).resolve("model.safetensors");
            long length = ByteBuffer.wrap(Files.readAllBytes(weights)).order(ByteOrder.LITTLE_ENDIAN).getLong();
            return new Model(directory, weights, (int) (8 + length));
        }
        Gguf file = gguf();
        Path path = Files.write(directory.resolve("tiny.gguf"), file.bytes);
        return new Model(path, path, file.bytes.length - file.dataBytes);
    }

    private record Gguf(byte[] bytes, int dataBytes) {}

    /** One layer of 8 channels, a few tokens. */
    private static Gguf gguf() {
        GgufBytes file = new GgufBytes().text("general.architecture", "gpt2").whole("gpt2.block_count", 1)
                .whole("gpt2.context_length", 4).whole("gpt2.embedding_length", 8)
                .whole("gpt2.feed_forward_length", 16).whole("gpt2.attention.head_count", 2)
                .real("gpt2.attention.layer_norm_epsilon", 1e-5f).text("tokenizer.ggml.model", "gpt2")
                .texts("tokenizer.ggml.tokens", "a", "b", "ab").wholes("tokenizer.ggml.token_type", 1, 1, 1)
                .texts("tokenizer.ggml.merges", "a b");
        int dataBytes = 0;
        for (Object[] each : new Object[][] {{"token_embd.weight", 8, 3}, {"position_embd.weight", 8, 4},
            {"blk.0.attn_norm.weight", 8}, {"blk.0.attn_norm.bias", 8}, {"blk.0.attn_qkv.weight", 8, 24},
            {"blk.0.attn_qkv.bias", 24}, {"blk.0.attn_output.weight", 8, 8}, {"blk.0.attn_output.bias", 8},
            {"blk.0.ffn_norm.weight", 8}, {"blk.0.ffn_norm.bias", 8}, {"blk.0.ffn_up.weight", 8, 16},
            {"blk.0.ffn_up.bias", 16}, {"blk.0.ffn_down.weight", 16, 8}, {"blk.0.ffn_down.bias", 8},
            {"output_norm.weight", 8}, {"output_norm.bias", 8}}) {
            long[] dims = new long[each.length - 1];
            int bytes = Float.BYTES;
            for (int i = 1; i < each.length; i++) {
                dims[i - 1] = (int) each[i];
                bytes *= (int) each[i];
            }
            file.tensor((String) each[0], 0, new byte[bytes], dims);
            dataBytes += bytes;
        }
        return new Gguf(file.bytes(), dataBytes);
    }

    private static Outcome run(String fault, Model model, List<String> options) throws Exception {
        List<String> tracking = new ArrayList<>(List.of("-Xmx256m", "-XX:NativeMemoryTracking=summary",
                // Buffers that Java keeps for later would look like a leak.
                "-Djdk.nio.maxCachedBufferSize=0"));
        tracking.addAll(options);
        Process process = ChildJvm.of(tracking, LoadingFaults.class.getName(), List.of(fault, model.path().toString(),
                model.weights().toString(), Integer.toString(model.headerEnd()))).start();
        try (BufferedReader output = process.inputReader(); var input = process.outputWriter()) {
            awaitLine(output, "warm");
            long before = ChildJvm.nativeBytes(process);
            input.write('\n');
            input.flush();
            String counts = awaitLine(output, "refused ");
            assertEquals(before, ChildJvm.nativeBytes(process), "bytes outside the heap, before and after " + counts);
            input.write('\n');
            input.flush();
            assertEquals(0, process.waitFor());
            System.out.println(fault + ", " + model.path().getFileName() + ": " + counts);
            String[] words = counts.split("[ ,]+");
            return new Outcome(Integer.parseInt(words[1]), Integer.parseInt(words[3]));
        } finally {
            process.destroyForcibly();
        }
    }

    private static String awaitLine(BufferedReader output, String start) throws IOException {
        StringBuilder seen = new StringBuilder();
        for (String line = output.readLine(); line != null; line = output.readLine()) {
            if (line.startsWith(start)) {
                return line;
            }
            seen.append(line).append('\n');
        }
        throw new AssertionError("the process ended before it said \"" + start + "\": " + seen);
    }

    @ParameterizedTest
    @EnumSource
    void aFileCutOffOrChangedAnywhereInItsHeader(Kind kind) throws Exception {
        Model model = write(kind);
        Outcome outcome = run("bytes", model, List.of());
        assertTrue(outcome.refused() > 2 * model.headerEnd(), outcome.toString());
    }

    @ParameterizedTest
    @EnumSource
    void anyReadThatFailsOrFindsTheFileEnded(Kind kind) throws Exception {
        Outcome outcome = run("reads", write(kind), List.of());
        assertTrue(outcome.refused() > 20, outcome.toString());
    }

    @ParameterizedTest
    @EnumSource
    void anyAllocationOutsideTheHeapThatFails(Kind kind) throws Exception {
        Outcome outcome = run("allocations", write(kind), List.of("-XX:+UnlockDiagnosticVMOptions",
                "-XX:MallocLimit=other:8m:oom"));
        assertTrue(outcome.refused() > 20, outcome.toString());
        assertEquals(1, outcome.opened());
    }
}
