package dev.isthmus.tools.convert;

import dev.isthmus.engine.config.Activation;
import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.errors.UnsupportedModelException;
import dev.isthmus.engine.tokenizer.Tokenizer;
import dev.isthmus.engine.weights.TensorSource;
import dev.isthmus.engine.weights.gguf.GgufValue;
import dev.isthmus.engine.weights.gguf.GgufWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Writes a GGUF file of architecture gpt2 with the keys of llama.cpp's {@code convert_hf_to_gguf.py}. */
final class GgufModel {

    // Of llama.cpp's enum llama_token_type.
    private static final int NORMAL = 1;
    private static final int CONTROL = 3;
    private static final int USER_DEFINED = 4;
    private static final int UNUSED = 5;

    /** The keys for ids that end a text: of a text, of a turn and of a message. */
    private static final List<String> ENDS = List.of("eos", "eot", "eom");

    private GgufModel() {}

    /**
     * Writes the file.
     *
     * @param name what the model is called
     * @param fileType the number of {@code enum llama_ftype}
     * @throws UnsupportedModelException if llama.cpp would compute something else, or the model has no tokenizer, which
     *     llama.cpp does not load
     */
    static void write(Path file, String name, Gpt2Config config, Optional<Tokenizer> tokenizer, int fileType,
            List<TensorSource> tensors) {
        requireSameArithmetic(config);
        Map<String, GgufValue> metadata = new LinkedHashMap<>();
        metadata.put("general.architecture", new GgufValue.Text("gpt2"));
        metadata.put("general.type", new GgufValue.Text("model"));
        metadata.put("general.name", new GgufValue.Text(name));
        metadata.put("gpt2.block_count", new GgufValue.Whole(config.layers()));
        metadata.put("gpt2.context_length", new GgufValue.Whole(config.context()));
        metadata.put("gpt2.embedding_length", new GgufValue.Whole(config.channels()));
        metadata.put("gpt2.feed_forward_length", new GgufValue.Whole(config.inner()));
        metadata.put("gpt2.attention.head_count", new GgufValue.Whole(config.heads()));
        metadata.put("gpt2.attention.layer_norm_epsilon", new GgufValue.Real(config.epsilon()));
        metadata.put("general.file_type", new GgufValue.Whole(fileType));
        // The version of the quantized formats, GGML_QNT_VERSION.
        metadata.put("general.quantization_version", new GgufValue.Whole(2));
        putTokenizer(metadata, config, tokenizer.orElseThrow(() -> new UnsupportedModelException("the model has no"
                + " tokenizer, without which llama.cpp does not load it; put tokenizer.json, or vocab.json and"
                + " merges.txt, into its directory")));
        GgufWriter.write(file, metadata, tensors);
    }

    private static void requireSameArithmetic(Gpt2Config config) {
        if (config.activation() != Activation.GELU_TANH) {
            throw refused("activation_function", config.activation(), "gelu_new");
        }
        if (!config.scaleAttention()) {
            throw refused("scale_attn_weights", false, "true");
        }
        if (config.scaleByInverseLayer()) {
            throw refused("scale_attn_by_inverse_layer_idx", true, "false");
        }
    }

    private static UnsupportedModelException refused(String key, Object found, String expected) {
        return new UnsupportedModelException("writing a GGUF file: llama.cpp computes the architecture gpt2 with " + key
                + " " + expected + " only, and this model has " + found + "; convert it to a directory instead");
    }

    private static void requireSameTokens(Gpt2Config config, Tokenizer tokenizer) {
        for (int id = config.vocabulary(); id < tokenizer.vocabularySize(); id++) {
            if (tokenizer.hasToken(id) && tokenizer.specialToken(tokenizer.token(id)).isEmpty()) {
                throw new UnsupportedModelException("writing a GGUF file: the tokenizer has the id " + id
                        + " and the model has " + config.vocabulary()
                        + " tokens; take tokenizer and weights from the same model");
            }
        }
        tokenizer.unlikeGpt2().ifPresent(option -> {
            throw new UnsupportedModelException("writing a GGUF file: llama.cpp knows GPT-2's own tokenizer only, and"
                    + " this one has " + option + "; convert the model to a directory instead");
        });
    }

    private static void putTokenizer(Map<String, GgufValue> metadata, Gpt2Config config, Tokenizer tokenizer) {
        requireSameTokens(config, tokenizer);
        List<String> tokens = new ArrayList<>();
        int[] types = new int[config.vocabulary()];
        for (int id = 0; id < types.length; id++) {
            if (!tokenizer.hasToken(id) || tokenizer.token(id).isEmpty()) {
                tokens.add("[PAD" + id + "]");
                types[id] = UNUSED;
                continue;
            }
            String token = tokenizer.token(id);
            tokens.add(token);
            types[id] = tokenizer.specialToken(token).isPresent() ? CONTROL
                    : tokenizer.isAdded(id) ? USER_DEFINED : NORMAL;
        }
        metadata.put("tokenizer.ggml.model", new GgufValue.Text("gpt2"));
        metadata.put("tokenizer.ggml.pre", new GgufValue.Text("gpt-2"));
        metadata.put("tokenizer.ggml.tokens", GgufValue.Texts.of(tokens));
        metadata.put("tokenizer.ggml.token_type", GgufValue.Wholes.of(types));
        metadata.put("tokenizer.ggml.merges", GgufValue.Texts.of(tokenizer.merges()));
        putEnds(metadata, config, tokenizer);
    }

    /** The ids that end a text, in the order in which the reader finds them again, and what surrounds a text. */
    private static void putEnds(Map<String, GgufValue> metadata, Gpt2Config config, Tokenizer tokenizer) {
        List<Integer> ends = config.endOfText();
        int[] surrounding = tokenizer.encodeWithSpecialTokens("");
        int[] surrounded = tokenizer.encodeWithSpecialTokens("a");
        boolean addsBos = surrounding.length > 0 && surrounded[0] == surrounding[0];
        if (addsBos) {
            metadata.put("tokenizer.ggml.bos_token_id", new GgufValue.Whole(surrounding[0]));
        } else if (!ends.isEmpty()) {
            metadata.put("tokenizer.ggml.bos_token_id", new GgufValue.Whole(ends.getFirst()));
        }
        for (int i = 0; i < Math.min(ends.size(), ENDS.size()); i++) {
            metadata.put("tokenizer.ggml." + ENDS.get(i) + "_token_id", new GgufValue.Whole(ends.get(i)));
        }
        metadata.put("tokenizer.ggml.add_bos_token", new GgufValue.Truth(addsBos));
        boolean addsEos = surrounding.length > (addsBos ? 1 : 0) && !ends.isEmpty()
                && surrounded[surrounded.length - 1] == ends.getFirst();
        metadata.put("tokenizer.ggml.add_eos_token", new GgufValue.Truth(addsEos));
    }

    /** What of a model no key of GGUF holds: sentences for the user; empty if nothing is lost. */
    static List<String> losses(Gpt2Config config, Tokenizer tokenizer) {
        List<String> losses = new ArrayList<>();
        List<Integer> ends = config.endOfText();
        if (ends.size() > ENDS.size()) {
            losses.add("a GGUF file names at most " + ENDS.size() + " ids that end a text; left out: "
                    + ends.subList(ENDS.size(), ends.size()));
        }
        List<String> beyond = new ArrayList<>();
        for (int id = config.vocabulary(); id < tokenizer.vocabularySize(); id++) {
            if (tokenizer.hasToken(id)) {
                beyond.add(tokenizer.token(id));
            }
        }
        if (!beyond.isEmpty()) {
            losses.add("special tokens for which the model has no row were left out: " + String.join(" ", beyond));
        }
        return losses;
    }
}
