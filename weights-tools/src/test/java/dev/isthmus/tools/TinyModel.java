package dev.isthmus.tools;

import dev.isthmus.engine.tensor.Shape;
import dev.isthmus.engine.weights.StoredType;
import dev.isthmus.engine.weights.safetensors.SafetensorsWriter;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;

/**
 * A GPT-2 of random weights, small enough to be made anew for each test class: 2 layers of 2 heads with 64 channels
 * each, as many as GPT-2's own heads have, a context of 64, and a vocabulary of all bytes, three merges and the
 * end-of-text token.
 */
public final class TinyModel {

    public static final int LAYERS = 2;
    public static final int HEADS = 2;
    public static final int CHANNELS = 128;
    public static final int CONTEXT = 64;
    public static final int VOCABULARY = 260;
    public static final int END_OF_TEXT = 259;

    private static final List<String> MERGES = List.of("t h", "th e", "Ġ the");

    private final Random random = new Random(7);
    private final List<SafetensorsWriter.Entry> entries = new ArrayList<>();

    private TinyModel() {}

    /** Writes a model with its tokenizer. */
    public static Path write(Path directory) throws IOException {
        writeWithoutTokenizer(directory);
        StringBuilder vocabulary = new StringBuilder("{");
        List<String> tokens = new ArrayList<>();
        for (int b = 0; b < 256; b++) {
            tokens.add(byteToken(b));
        }
        for (String merge : MERGES) {
            tokens.add(merge.replace(" ", ""));
        }
        tokens.add("<|endoftext|>");
        for (int id = 0; id < tokens.size(); id++) {
            String escaped = tokens.get(id).replace("\\", "\\\\").replace("\"", "\\\"");
            vocabulary.append(id == 0 ? "" : ",").append('"').append(escaped).append("\":").append(id);
        }
        Files.writeString(directory.resolve("vocab.json"), vocabulary.append('}'));
        Files.writeString(directory.resolve("merges.txt"), "#version: 0.2\n" + String.join("\n", MERGES) + "\n");
        return directory;
    }

    /** Writes a model that takes ids only. */
    public static Path writeWithoutTokenizer(Path directory) throws IOException {
        return writeWithoutTokenizer(directory, CONTEXT);
    }

    /** Writes a model that takes ids only, with another context. */
    static Path writeWithoutTokenizer(Path directory, int context) throws IOException {
        Files.createDirectories(directory);
        Files.writeString(directory.resolve("config.json"), """
                {"model_type": "gpt2", "n_layer": %d, "n_head": %d, "n_embd": %d, "n_positions": %d, "vocab_size": %d,
                 "activation_function": "gelu_new", "eos_token_id": %d}
                """.formatted(LAYERS, HEADS, CHANNELS, context, VOCABULARY, END_OF_TEXT));
        TinyModel model = new TinyModel();
        model.add("wte.weight", 0, VOCABULARY, CHANNELS);
        model.add("wpe.weight", 0, context, CHANNELS);
        for (int layer = 0; layer < LAYERS; layer++) {
            String block = "h." + layer + ".";
            model.addNorm(block + "ln_1");
            model.addLinear(block + "attn.c_attn", CHANNELS, 3 * CHANNELS);
            model.addLinear(block + "attn.c_proj", CHANNELS, CHANNELS);
            model.addNorm(block + "ln_2");
            model.addLinear(block + "mlp.c_fc", CHANNELS, 4 * CHANNELS);
            model.addLinear(block + "mlp.c_proj", 4 * CHANNELS, CHANNELS);
        }
        model.addNorm("ln_f");
        SafetensorsWriter.write(directory.resolve("model.safetensors"), Map.of("format", "pt"), model.entries);
        return directory;
    }

    /** GPT-2's printable stand-in for a byte (openai/gpt-2, src/encoder.py, bytes_to_unicode). */
    private static String byteToken(int value) {
        int next = 256;
        for (int b = 0; b < 256; b++) {
            boolean printable = b >= '!' && b <= '~' || b >= 0xA1 && b <= 0xAC || b >= 0xAE;
            if (b == value) {
                return Character.toString(printable ? b : next);
            }
            next += printable ? 0 : 1;
        }
        throw new IllegalArgumentException("no byte: " + value);
    }

    private void addNorm(String name) {
        add(name + ".weight", 1, CHANNELS);
        add(name + ".bias", 0, CHANNELS);
    }

    private void addLinear(String name, int inputs, int outputs) {
        add(name + ".weight", 0, inputs, outputs);
        add(name + ".bias", 0, outputs);
    }

    private void add(String name, float mean, long... dims) {
        Shape shape = new Shape(dims);
        ByteBuffer data = ByteBuffer.allocate(Math.toIntExact(4 * shape.elements())).order(ByteOrder.LITTLE_ENDIAN);
        while (data.hasRemaining()) {
            data.putFloat(mean + 0.15f * (float) random.nextGaussian());
        }
        entries.add(new SafetensorsWriter.Entry(name, StoredType.F32, shape, MemorySegment.ofArray(data.array())));
    }
}
