package dev.isthmus.engine.config;

import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.UnsupportedModelException;
import dev.isthmus.engine.files.TextFile;
import java.math.BigInteger;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Reads a config.json as {@code GPT2Config} of transformers 5.18 does: the same defaults for missing keys, the same
 * aliases ({@code hidden_size} wins over {@code n_embd} where both are given), the same types. What would make
 * {@code GPT2LMHeadModel} compute something that this engine does not is refused by name. Keys that change no result
 * in evaluation are ignored: dropout, initialisation, {@code summary_*}, {@code dtype} (all arithmetic here is at
 * least F32), {@code reorder_and_upcast_attn}, {@code n_ctx}, generation defaults, and unknown ones.
 */
final class Gpt2ConfigReader {

    private static final Map<String, Activation> ACTIVATIONS = Map.of(
            "gelu_new", Activation.GELU_TANH,
            "gelu_pytorch_tanh", Activation.GELU_TANH,
            "gelu_python_tanh", Activation.GELU_TANH,
            "gelu_fast", Activation.GELU_TANH,
            "gelu_accurate", Activation.GELU_TANH,
            "gelu", Activation.GELU_ERF,
            "gelu_python", Activation.GELU_ERF,
            "relu", Activation.RELU);

    /** So that 4 C, the default of n_inner, is an int. */
    static final int MAX_CHANNELS = Integer.MAX_VALUE / 4;

    private final Path file;
    private final Map<String, Object> values;

    private Gpt2ConfigReader(Path file, Map<String, Object> values) {
        this.file = file;
        this.values = values;
    }

    /**
     * Reads a configuration.
     *
     * @param file a config.json
     * @throws CheckpointException if it is missing, unreadable or not a JSON object
     * @throws UnsupportedModelException if a key's value is none that this engine computes with
     */
    static Gpt2Config read(Path file) {
        return new Gpt2ConfigReader(file, ConfigJson.parse(TextFile.read(file), file)).config();
    }

    private Gpt2Config config() {
        if (values.get("model_type") instanceof Object type && !type.equals("gpt2")) {
            throw refuse("model_type", "gpt2");
        }
        int layers = size("n_layer", "num_hidden_layers", 12, Integer.MAX_VALUE);
        refuseOtherArithmetic(layers);
        int channels = size("n_embd", "hidden_size", 768, MAX_CHANNELS);
        int heads = size("n_head", "num_attention_heads", 12, channels);
        if (channels % heads != 0) {
            throw new UnsupportedModelException(file + ": n_embd is " + channels + " and n_head is " + heads
                    + "; n_embd must be a multiple of n_head");
        }
        int inner = values.get("n_inner") == null ? 4 * channels
                : size("n_inner", "n_inner", 0, Integer.MAX_VALUE);
        int vocabulary = size("vocab_size", "vocab_size", 50257, Integer.MAX_VALUE);
        return new Gpt2Config(layers, heads, channels, inner,
                size("n_positions", "max_position_embeddings", 1024, Integer.MAX_VALUE), vocabulary, epsilon(),
                activation(), flag("scale_attn_weights", true), flag("scale_attn_by_inverse_layer_idx", false),
                flag("tie_word_embeddings", true), endOfText(vocabulary));
    }

    /** Keys that make GPT2LMHeadModel, or the cache and masks that it uses, compute something else. */
    private void refuseOtherArithmetic(int layers) {
        if (flag("add_cross_attention", false)) {
            throw refuse("add_cross_attention", "false: a model without encoder");
        }
        if (flag("is_encoder_decoder", false)) {
            throw refuse("is_encoder_decoder", "false: a model without encoder");
        }
        // A null counts as false in create_causal_mask.
        if (values.containsKey("is_causal") && !Boolean.TRUE.equals(values.get("is_causal"))) {
            throw refuse("is_causal", "true: each token sees only those before it");
        }
        for (String key : List.of("quantization_config", "sliding_window", "attention_chunk_size",
                "per_layer_config")) {
            if (values.get(key) != null) {
                throw refuse(key, "null");
            }
        }
        Object pruned = values.get("pruned_heads");
        if (pruned != null && !(pruned instanceof ConfigJson.Container container && container.empty())) {
            throw refuse("pruned_heads", "none: every layer has n_head heads");
        }
        Object shared = values.get("num_kv_shared_layers");
        if (shared != null && !BigInteger.ZERO.equals(shared)) {
            throw refuse("num_kv_shared_layers", "0 or null");
        }
        Object types = values.get("layer_types");
        if (types != null && !(types instanceof List<?> list && list.size() == layers
                && list.stream().allMatch("full_attention"::equals))) {
            throw refuse("layer_types", "\"full_attention\" for each of the " + layers + " layers");
        }
    }

    private int size(String key, String alias, int fallback, int max) {
        String used = values.containsKey(alias) ? alias : key;
        if (!values.containsKey(used)) {
            return fallback;
        }
        if (values.get(used) instanceof BigInteger number && number.signum() > 0
                && number.compareTo(BigInteger.valueOf(max)) <= 0) {
            return number.intValueExact();
        }
        throw refuse(used, "a whole number from 1 to " + max);
    }

    private boolean flag(String key, boolean fallback) {
        if (!values.containsKey(key)) {
            return fallback;
        }
        if (values.get(key) instanceof Boolean flag) {
            return flag;
        }
        throw refuse(key, "true or false");
    }

    private double epsilon() {
        String key = "layer_norm_epsilon";
        double value = switch (values.getOrDefault(key, 1e-5)) {
            case Double number -> number;
            case BigInteger number -> number.doubleValue();
            case null, default -> Double.NaN;
        };
        if (value >= 0 && value <= Float.MAX_VALUE) {
            return value;
        }
        throw refuse(key, "a number from 0 to " + Float.MAX_VALUE);
    }

    private Activation activation() {
        String key = "activation_function";
        Activation activation = values.containsKey(key)
                ? values.get(key) instanceof String name ? ACTIVATIONS.get(name) : null
                : Activation.GELU_TANH;
        if (activation == null) {
            throw refuse(key, "one of " + ACTIVATIONS.keySet().stream().sorted().toList());
        }
        return activation;
    }

    /** Ids outside the vocabulary, which transformers warns about, can never be produced and are left out. */
    private List<Integer> endOfText(int vocabulary) {
        String key = "eos_token_id";
        Object value = values.containsKey(key) ? values.get(key) : BigInteger.valueOf(50256);
        List<Integer> ids = new ArrayList<>();
        for (Object id : value instanceof List<?> list ? list : value == null ? List.of() : List.of(value)) {
            if (!(id instanceof BigInteger number)) {
                throw refuse(key, "a token id, a list of token ids, or null");
            }
            if (number.signum() >= 0 && number.compareTo(BigInteger.valueOf(vocabulary)) < 0) {
                ids.add(number.intValueExact());
            }
        }
        return List.copyOf(ids);
    }

    private UnsupportedModelException refuse(String key, String supported) {
        String value = switch (values.get(key)) {
            case String text -> '"' + text + '"';
            case Object other -> other.toString();
            case null -> "null";
        };
        return new UnsupportedModelException(file + ": " + key + " is "
                + (value.length() > 100 ? value.substring(0, 100) + "…" : value).replaceAll("\\p{Cntrl}", "?")
                + ", which is not supported; supported: " + supported);
    }
}
