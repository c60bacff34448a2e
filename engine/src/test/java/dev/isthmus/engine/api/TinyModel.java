package dev.isthmus.engine.api;

import dev.isthmus.engine.tensor.Shape;
import dev.isthmus.engine.weights.StoredType;
import dev.isthmus.engine.weights.safetensors.SafetensorsWriter;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * Writes the directory of a small model with pseudo-random weights: 256 byte tokens, two merges ("he", "hel") and
 * {@code <|endoftext|>} as id 258; a context of 40 tokens.
 */
public final class TinyModel {

    static final int VOCABULARY = 259;
    static final int END_OF_TEXT = 258;
    static final int CONTEXT = 40;

    /** Heads of 32, which all backends take. */
    static final int CHANNELS = 96;

    private TinyModel() {}

    /** Writes it; returns the directory. */
    public static Path write(Path directory) throws IOException {
        return write(directory, CONTEXT, 42);
    }

    /** Writes one with another context and other weights. */
    static Path write(Path directory, int context, long seed) throws IOException {
        return write(directory, 2, context, seed);
    }

    /** Writes one with so many layers. */
    static Path write(Path directory, int layers, int context, long seed) throws IOException {
        return write(directory, layers, context, CHANNELS, seed);
    }

    /** Writes one of another width. */
    static Path write(Path directory, int layers, int context, int channels, long seed) throws IOException {
        Files.createDirectories(directory);
        Files.writeString(directory.resolve("config.json"), """
                {"model_type": "gpt2", "n_layer": %d, "n_head": 3, "n_embd": %d, "n_positions": %d, "vocab_size": 259,
                 "eos_token_id": 258}
                """.formatted(layers, channels, context));
        writeTokenizer(directory);
        writeWeights(directory, layers, context, channels, seed);
        return directory;
    }

    private static void writeTokenizer(Path directory) throws IOException {
        StringBuilder vocabulary = new StringBuilder("{");
        int stray = 0;
        for (int b = 0; b < 256; b++) {
            boolean printable = b >= '!' && b <= '~' || b >= 0xA1 && b <= 0xAC || b >= 0xAE;
            int symbol = printable ? b : 256 + stray++;
            vocabulary.append(String.format("\"\\u%04x\": %d, ", symbol, b));
        }
        vocabulary.append("\"he\": 256, \"hel\": 257, \"<|endoftext|>\": 258}");
        Files.writeString(directory.resolve("vocab.json"), vocabulary);
        Files.writeString(directory.resolve("merges.txt"), "#version: 0.2\nh e\nhe l\n");
    }

    private static void writeWeights(Path directory, int layers, int context, int channels, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        List<SafetensorsWriter.Entry> entries = new ArrayList<>();
        add(entries, random, "wte.weight", 1, VOCABULARY, channels);
        add(entries, random, "wpe.weight", 1, context, channels);
        for (int layer = 0; layer < layers; layer++) {
            String h = "h." + layer + ".";
            addNorm(entries, random, h + "ln_1", channels);
            addLinear(entries, random, h + "attn.c_attn", channels, 3 * channels);
            addLinear(entries, random, h + "attn.c_proj", channels, channels);
            addNorm(entries, random, h + "ln_2", channels);
            addLinear(entries, random, h + "mlp.c_fc", channels, 4 * channels);
            addLinear(entries, random, h + "mlp.c_proj", 4 * channels, channels);
        }
        addNorm(entries, random, "ln_f", channels);
        SafetensorsWriter.write(directory.resolve("model.safetensors"), Map.of(), entries);
    }

    private static void addNorm(List<SafetensorsWriter.Entry> entries, SplittableRandom random, String name,
            int channels) {
        add(entries, random, name + ".weight", 2, channels);
        add(entries, random, name + ".bias", 0.5, channels);
    }

    private static void addLinear(List<SafetensorsWriter.Entry> entries, SplittableRandom random, String name,
            int inputs, int outputs) {
        add(entries, random, name + ".weight", 0.5, inputs, outputs);
        add(entries, random, name + ".bias", 0.5, outputs);
    }

    private static void add(List<SafetensorsWriter.Entry> entries, SplittableRandom random, String name, double scale,
            long... dims) {
        Shape shape = new Shape(dims);
        float[] values = new float[(int) shape.elements()];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) (scale * (2 * random.nextDouble() - 1));
        }
        entries.add(new SafetensorsWriter.Entry(name, StoredType.F32, shape, MemorySegment.ofArray(values)));
    }
}
