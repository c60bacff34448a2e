package dev.isthmus.engine.model;

import dev.isthmus.engine.config.Activation;
import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.weights.TestTensors;
import dev.isthmus.engine.weights.safetensors.SafetensorsWriter.Entry;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A GPT-2 model of a few hundred weights; every weight has another value, the same in F32, F16 and BF16. */
final class TinyGpt2 {

    static final int LAYERS = 2;
    static final int CHANNELS = 4;
    static final int INNER = 6;
    static final int CONTEXT = 5;
    static final int VOCABULARY = 7;

    private TinyGpt2() {}

    static Gpt2Config config(boolean tied) {
        return new Gpt2Config(LAYERS, 2, CHANNELS, INNER, CONTEXT, VOCABULARY, 1e-5, Activation.GELU_TANH, true, false,
                tied, List.of());
    }

    /** The parameters by their plain names, without lm_head. */
    static Map<String, long[]> shapes() {
        long c = CHANNELS;
        Map<String, long[]> shapes = new LinkedHashMap<>();
        shapes.put("wte.weight", new long[] {VOCABULARY, c});
        shapes.put("wpe.weight", new long[] {CONTEXT, c});
        for (int layer = 0; layer < LAYERS; layer++) {
            String block = "h." + layer + ".";
            shapes.put(block + "ln_1.weight", new long[] {c});
            shapes.put(block + "ln_1.bias", new long[] {c});
            shapes.put(block + "attn.c_attn.weight", new long[] {c, 3 * c});
            shapes.put(block + "attn.c_attn.bias", new long[] {3 * c});
            shapes.put(block + "attn.c_proj.weight", new long[] {c, c});
            shapes.put(block + "attn.c_proj.bias", new long[] {c});
            shapes.put(block + "ln_2.weight", new long[] {c});
            shapes.put(block + "ln_2.bias", new long[] {c});
            shapes.put(block + "mlp.c_fc.weight", new long[] {c, INNER});
            shapes.put(block + "mlp.c_fc.bias", new long[] {INNER});
            shapes.put(block + "mlp.c_proj.weight", new long[] {INNER, c});
            shapes.put(block + "mlp.c_proj.bias", new long[] {c});
        }
        shapes.put("ln_f.weight", new long[] {c});
        shapes.put("ln_f.bias", new long[] {c});
        return shapes;
    }

    /** The values of a tensor: 8-bit integers times a power of two that differs by tensor. */
    static float[] values(String name, long[] shape) {
        int count = 1;
        for (long dim : shape) {
            count *= (int) dim;
        }
        float[] values = new float[count];
        int seed = name.hashCode();
        for (int i = 0; i < count; i++) {
            seed = seed * 1664525 + 1013904223;
            values[i] = (seed >> 25) / 64f;
        }
        return values;
    }

    /** All parameters in F32, named with {@code prefix}. */
    static List<Entry> entries(String prefix) {
        List<Entry> entries = new ArrayList<>();
        shapes().forEach((name, shape) -> entries.add(TestTensors.f32(prefix + name, shape, values(name, shape))));
        return entries;
    }

    /** An output matrix that differs from the embedding. */
    static Entry head() {
        long[] shape = {VOCABULARY, CHANNELS};
        return TestTensors.f32("lm_head.weight", shape, values("lm_head.weight", shape));
    }
}
