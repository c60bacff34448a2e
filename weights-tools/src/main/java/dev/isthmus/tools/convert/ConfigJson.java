package dev.isthmus.tools.convert;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.files.TextFile;
import dev.isthmus.tools.io.Json;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;

/** Writes a config.json. */
final class ConfigJson {

    /** What transformers 5 and 4 call the type of the weights. */
    private static final String DTYPE = "dtype";
    private static final String OLD_DTYPE = "torch_dtype";

    private ConfigJson() {}

    /** Copies a config.json, all keys as they are but the type of the weights. */
    static void copy(Path from, Path to, TargetType type) throws IOException {
        try (JsonParser parser = Json.FACTORY.createParser(TextFile.read(from)); JsonGenerator json = generator(to)) {
            parser.nextToken();
            json.writeStartObject();
            json.writeStringField(DTYPE, title(type));
            while (parser.nextToken() != JsonToken.END_OBJECT) {
                String name = parser.currentName();
                parser.nextToken();
                if (Set.of(DTYPE, OLD_DTYPE).contains(name)) {
                    parser.skipChildren();
                } else {
                    json.writeFieldName(name);
                    json.copyCurrentStructureExact(parser);
                }
            }
            json.writeEndObject();
        }
    }

    /** Writes a configuration that was read from elsewhere. */
    static void write(Path to, Gpt2Config config, TargetType type) throws IOException {
        try (JsonGenerator json = generator(to)) {
            json.writeStartObject();
            json.writeArrayFieldStart("architectures");
            json.writeString("GPT2LMHeadModel");
            json.writeEndArray();
            json.writeStringField("model_type", "gpt2");
            json.writeStringField(DTYPE, title(type));
            json.writeNumberField("n_layer", config.layers());
            json.writeNumberField("n_head", config.heads());
            json.writeNumberField("n_embd", config.channels());
            json.writeNumberField("n_inner", config.inner());
            json.writeNumberField("n_positions", config.context());
            json.writeNumberField("vocab_size", config.vocabulary());
            json.writeNumberField("layer_norm_epsilon", config.epsilon());
            json.writeStringField("activation_function", switch (config.activation()) {
                case GELU_TANH -> "gelu_new";
                case GELU_ERF -> "gelu";
                case RELU -> "relu";
                case NONE -> throw new IllegalArgumentException("a model without activation");
            });
            json.writeBooleanField("scale_attn_weights", config.scaleAttention());
            json.writeBooleanField("scale_attn_by_inverse_layer_idx", config.scaleByInverseLayer());
            json.writeBooleanField("tie_word_embeddings", config.tiedHead());
            List<Integer> ends = config.endOfText();
            json.writeObjectField("bos_token_id", ends.isEmpty() ? null : ends.getFirst());
            if (ends.size() > 1) {
                json.writeFieldName("eos_token_id");
                json.writeArray(ends.stream().mapToInt(Integer::intValue).toArray(), 0, ends.size());
            } else {
                json.writeObjectField("eos_token_id", ends.isEmpty() ? null : ends.getFirst());
            }
            json.writeEndObject();
        }
    }

    /** Weights that are packed are no type of transformers'; all others of the model are F32 then. */
    private static String title(TargetType type) {
        return switch (type) {
            case F16 -> "float16";
            case BF16 -> "bfloat16";
            default -> "float32";
        };
    }

    private static JsonGenerator generator(Path to) throws IOException {
        return Json.FACTORY.createGenerator(Files.newBufferedWriter(to))
                .enable(JsonGenerator.Feature.AUTO_CLOSE_TARGET).useDefaultPrettyPrinter();
    }
}
