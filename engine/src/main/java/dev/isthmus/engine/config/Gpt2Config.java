package dev.isthmus.engine.config;

import dev.isthmus.engine.checkpoint.ModelPath;
import dev.isthmus.engine.checks.Arguments;
import dev.isthmus.engine.checks.Interrupts;
import dev.isthmus.engine.files.MemoryLimit;
import dev.isthmus.engine.weights.gguf.GgufHeader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * The hyperparameters of a GPT-2 model, as config.json states them.
 *
 * @param layers n_layer
 * @param heads n_head, H
 * @param channels n_embd, C
 * @param inner n_inner, 4 C where config.json says null
 * @param context n_positions, P
 * @param vocabulary vocab_size, V
 * @param epsilon layer_norm_epsilon
 * @param activation activation_function
 * @param scaleAttention scale_attn_weights: scores are divided by √D
 * @param scaleByInverseLayer scale_attn_by_inverse_layer_idx: scores of layer l are also divided by l + 1
 * @param tiedHead tie_word_embeddings: the output matrix is the token embedding
 * @param endOfText the ids that end a text (eos_token_id of generation_config.json, else of config.json); may be
 *     empty
 */
public record Gpt2Config(int layers, int heads, int channels, int inner, int context, int vocabulary, double epsilon,
        Activation activation, boolean scaleAttention, boolean scaleByInverseLayer, boolean tiedHead,
        List<Integer> endOfText) {

    /** Makes the list unmodifiable. */
    public Gpt2Config {
        Arguments.nonNull(activation, "configuration", "activation");
        endOfText = Arguments.nonNullElements(endOfText, "configuration", "endOfText");
    }

    /**
     * Reads the configuration of a model. Of a GGUF file it is in the metadata: the keys {@code gpt2.*} and
     * {@code tokenizer.ggml.eos_token_id}, {@code eot_token_id} and {@code eom_token_id}; the rest is as llama.cpp computes the architecture gpt2.
     *
     * <p>Of a model directory it is the config.json, read as {@code GPT2Config} of transformers 5.18 does: missing keys
     * take its defaults, {@code hidden_size} and the other aliases win over {@code n_embd}, of a repeated key the last
     * value counts. Keys that change no result are ignored. Where there is a generation_config.json, its
     * {@code eos_token_id} counts and config.json's does not, even where the former has none, as in {@code generate}. Ids
     * outside the vocabulary are left out.
     *
     * @param model a GGUF file, a directory, or a file or directory that stands for one
     * @return the configuration
     * @throws dev.isthmus.engine.errors.CheckpointException if there is none, it is not a JSON object, or the GGUF file
     *     is malformed
     * @throws dev.isthmus.engine.errors.UnsupportedModelException if a key has a value that is not computed with; the
     *     message names key, value and what is supported
     */
    public static Gpt2Config read(Path model) {
        Arguments.nonNull(model, "read a configuration", "model");
        return Interrupts.during("reading the configuration of " + model, () -> MemoryLimit.reading(model, () -> {
            // A configuration counts also where it is not clear whose it is.
            boolean stated = Files.isRegularFile(model.resolve("config.json"));
            Path found = stated ? model : ModelPath.resolve(model);
            return GgufHeader.isGguf(found) ? Gpt2GgufConfig.read(found)
                    : Gpt2ConfigReader.read(found.resolve("config.json")).with(GenerationConfig.read(found));
        }));
    }

    private Gpt2Config with(GenerationConfig generation) {
        if (generation.source().isEmpty()) {
            return this;
        }
        List<Integer> ids = generation.ids("eos_token_id").orElse(List.of()).stream()
                .filter(id -> id >= 0 && id < vocabulary).toList();
        return new Gpt2Config(layers, heads, channels, inner, context, vocabulary, epsilon, activation, scaleAttention,
                scaleByInverseLayer, tiedHead, ids);
    }

    /** {@return D, the channels of one head} */
    public int headChannels() {
        return channels / heads;
    }

    /**
     * {@return what layer {@code layer}'s attention scores are multiplied with}
     *
     * @param layer the layer, from 0
     */
    public double attentionScale(int layer) {
        double scale = scaleAttention ? 1 / Math.sqrt(headChannels()) : 1;
        return scaleByInverseLayer ? scale / (layer + 1) : scale;
    }
}
