package dev.isthmus.engine.weights.gguf;

import dev.isthmus.engine.files.Quote;
import dev.isthmus.engine.weights.TensorInfo;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The tensors of a GGUF file of architecture gpt2 as transformers knows them. GGUF has other names (llama.cpp's
 * {@code llama-arch.cpp}), and stores the matrices of linear layers as [out, in] where Conv1D has [in, out].
 */
public final class GgufNames {

    private static final Map<String, String> OUTER = Map.of(
            "token_embd.weight", "wte.weight",
            "position_embd.weight", "wpe.weight",
            "output_norm.weight", "ln_f.weight",
            "output_norm.bias", "ln_f.bias",
            "output.weight", "lm_head.weight");

    private static final Map<String, String> NORMS = Map.of("attn_norm", "ln_1", "ffn_norm", "ln_2");

    private static final Map<String, String> LINEARS = Map.of(
            "attn_qkv", "attn.c_attn",
            "attn_output", "attn.c_proj",
            "ffn_up", "mlp.c_fc",
            "ffn_down", "mlp.c_proj");

    private static final Pattern BLOCK = Pattern.compile("blk\\.(0|[1-9][0-9]{0,8})\\.([a-z_]+)\\.(weight|bias)");

    private static final Pattern LAYER = Pattern.compile("h\\.([0-9]+)\\.([a-z_.0-9]+)\\.(weight|bias)");

    private GgufNames() {}

    /**
     * The name in GGUF of a weight of GPT-2.
     *
     * @param name transformers' name, without prefix
     * @throws IllegalArgumentException if no GPT-2 model has such a weight
     */
    static String inGguf(String name) {
        for (Map.Entry<String, String> outer : OUTER.entrySet()) {
            if (outer.getValue().equals(name)) {
                return outer.getKey();
            }
        }
        Matcher layer = LAYER.matcher(name);
        if (layer.matches()) {
            for (Map<String, String> names : List.of(NORMS, LINEARS)) {
                for (Map.Entry<String, String> each : names.entrySet()) {
                    if (each.getValue().equals(layer.group(2))) {
                        return "blk." + layer.group(1) + "." + each.getKey() + "." + layer.group(3);
                    }
                }
            }
        }
        throw new IllegalArgumentException("no weight of GPT-2: " + Quote.of(name));
    }

    /** The tensor under transformers' name and with its shape; one that no GPT-2 model has stays as it is. */
    public static TensorInfo asInTransformers(TensorInfo stored) {
        String outer = OUTER.get(stored.name());
        if (outer != null) {
            return stored.as(outer, stored.shape(), false);
        }
        Matcher block = BLOCK.matcher(stored.name());
        if (!block.matches()) {
            return stored;
        }
        String layer = "h." + Integer.parseInt(block.group(1)) + ".";
        String end = "." + block.group(3);
        String norm = NORMS.get(block.group(2));
        if (norm != null) {
            return stored.as(layer + norm + end, stored.shape(), false);
        }
        String linear = LINEARS.get(block.group(2));
        if (linear == null) {
            return stored;
        }
        boolean matrix = stored.shape().rank() == 2;
        return stored.as(layer + linear + end, matrix ? stored.shape().transposed() : stored.shape(), matrix);
    }
}
