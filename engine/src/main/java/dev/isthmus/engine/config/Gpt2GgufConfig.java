package dev.isthmus.engine.config;

import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.CheckpointException.Reason;
import dev.isthmus.engine.errors.UnsupportedModelException;
import dev.isthmus.engine.weights.TensorInfo;
import dev.isthmus.engine.weights.gguf.GgufHeader;
import dev.isthmus.engine.weights.gguf.GgufValue;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Stream;

/**
 * Reads the configuration from a GGUF file's metadata. What GGUF has no key for is as llama.cpp computes it for the
 * architecture gpt2: GELU with tanh, attention scores divided by √D, the output matrix that of the embedding where
 * the file has no other. The size of the vocabulary is the embedding's.
 */
final class Gpt2GgufConfig {

    private final Path file;
    private final GgufHeader header;

    private Gpt2GgufConfig(Path file) {
        this.file = file;
        this.header = GgufHeader.read(file);
    }

    /**
     * Reads a configuration.
     *
     * @throws CheckpointException if the file is unreadable, no GGUF file, or lacks a key
     * @throws UnsupportedModelException if it is of another architecture, or a key's value is none that this engine
     *     computes with
     */
    static Gpt2Config read(Path file) {
        return new Gpt2GgufConfig(file).config();
    }

    private Gpt2Config config() {
        GgufValue architecture = required("general.architecture");
        if (!architecture.equals(new GgufValue.Text("gpt2"))) {
            throw refuse("general.architecture", "gpt2");
        }
        int channels = size("gpt2.embedding_length", Gpt2ConfigReader.MAX_CHANNELS);
        int heads = size("gpt2.attention.head_count", channels);
        if (channels % heads != 0) {
            throw new UnsupportedModelException(file + ": gpt2.embedding_length is " + channels
                    + " and gpt2.attention.head_count is " + heads + "; the first must be a multiple of the second");
        }
        String keyHeads = "gpt2.attention.head_count_kv";
        if (header.metadata().containsKey(keyHeads) && size(keyHeads, heads) != heads) {
            throw refuse(keyHeads, heads + ": as many as gpt2.attention.head_count");
        }
        int vocabulary = vocabulary();
        return new Gpt2Config(size("gpt2.block_count", Integer.MAX_VALUE), heads, channels,
                size("gpt2.feed_forward_length", Integer.MAX_VALUE), size("gpt2.context_length", Integer.MAX_VALUE),
                vocabulary, epsilon(), Activation.GELU_TANH, true, false, !has("output.weight"),
                endOfText(vocabulary));
    }

    private GgufValue required(String key) {
        GgufValue value = header.metadata().get(key);
        if (value == null) {
            throw new CheckpointException(Reason.MALFORMED, file, "expected the key " + key
                    + " in the metadata, found none; a GPT-2 model needs it: convert the model again");
        }
        return value;
    }

    private int size(String key, int max) {
        if (required(key) instanceof GgufValue.Whole(long value) && value > 0 && value <= max) {
            return (int) value;
        }
        throw refuse(key, "a whole number from 1 to " + max);
    }

    private double epsilon() {
        String key = "gpt2.attention.layer_norm_epsilon";
        if (required(key) instanceof GgufValue.Real(double value) && value >= 0 && value <= Float.MAX_VALUE) {
            // Written as 32 bits: the decimal number that config.json has, not the float nearest to it.
            return value == (float) value ? Double.parseDouble(Float.toString((float) value)) : value;
        }
        throw refuse(key, "a number from 0 to " + Float.MAX_VALUE);
    }

    private boolean has(String name) {
        return header.tensors().stream().anyMatch(tensor -> tensor.name().equals(name));
    }

    private int vocabulary() {
        for (TensorInfo tensor : header.tensors()) {
            if (tensor.name().equals("token_embd.weight") && tensor.shape().rank() == 2
                    && tensor.shape().dim(0) > 0 && tensor.shape().dim(0) <= Integer.MAX_VALUE) {
                return (int) tensor.shape().dim(0);
            }
        }
        throw new CheckpointException(Reason.MISSING_TENSOR, file,
                "expected the tensor token_embd.weight with two dimensions, found none; convert the model again");
    }

    /** All that end a text in llama.cpp: the end of text, of a turn and of a message. */
    private List<Integer> endOfText(int vocabulary) {
        return Stream.of("eos", "eot", "eom").map(end -> header.metadata().get("tokenizer.ggml." + end + "_token_id"))
                .mapMulti((GgufValue value, Consumer<Integer> ids) -> {
                    if (value instanceof GgufValue.Whole(long id) && id >= 0 && id < vocabulary) {
                        ids.accept((int) id);
                    }
                }).distinct().toList();
    }

    private UnsupportedModelException refuse(String key, String supported) {
        String value = switch (header.metadata().get(key)) {
            case GgufValue.Text(String text) -> '"' + text + '"';
            case GgufValue.Whole(long number) -> Long.toString(number);
            case GgufValue.Real(double number) -> Double.toString(number);
            case GgufValue.Truth(boolean truth) -> Boolean.toString(truth);
            case null, default -> "an array";
        };
        return new UnsupportedModelException(file + ": " + key + " is "
                + (value.length() > 100 ? value.substring(0, 100) + "…" : value).replaceAll("\\p{Cntrl}", "?")
                + ", which is not supported; supported: " + supported);
    }
}
