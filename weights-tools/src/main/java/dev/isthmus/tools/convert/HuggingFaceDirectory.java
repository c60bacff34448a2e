package dev.isthmus.tools.convert;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.isthmus.engine.checkpoint.Checkpoint;
import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.tensor.Tensor;
import dev.isthmus.engine.tokenizer.Tokenizer;
import dev.isthmus.engine.weights.TensorSource;
import dev.isthmus.engine.weights.safetensors.SafetensorsWriter;
import dev.isthmus.tools.io.Json;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.TreeMap;

/** Fills a model directory in the Hugging Face layout. */
final class HuggingFaceDirectory {

    /** Beside config.json, what transformers and the engine read from a model directory. */
    private static final List<String> COPIED = List.of("generation_config.json", "tokenizer.json", "vocab.json",
            "merges.txt", "added_tokens.json", "special_tokens_map.json", "tokenizer_config.json");

    private final Path directory;

    HuggingFaceDirectory(Path directory) {
        this.directory = directory;
    }

    /** Writes configuration and tokenizer, copied from a directory or taken from a GGUF file. */
    void writeTexts(Path model, Gpt2Config config, TargetType type) throws IOException {
        Path target = directory.resolve("config.json");
        if (!Files.isDirectory(model)) {
            ConfigJson.write(target, config, type);
            Optional<Tokenizer> tokenizer = Tokenizer.open(model);
            if (tokenizer.isPresent()) {
                TokenizerFiles.write(directory, tokenizer.get());
            }
            return;
        }
        ConfigJson.copy(model.resolve("config.json"), target, type);
        for (String name : COPIED) {
            if (Files.exists(model.resolve(name))) {
                Files.copy(model.resolve(name), directory.resolve(name));
            }
        }
    }

    /** Writes the weights: one file, or as many as it takes with an index. A tensor is never divided. */
    void writeWeights(List<TensorSource> tensors, Map<String, String> metadata, OptionalLong shardBytes)
            throws IOException {
        List<List<TensorSource>> shards = shards(tensors, shardBytes.orElse(Long.MAX_VALUE));
        if (shards.size() == 1) {
            write(Checkpoint.SINGLE_FILE, metadata, tensors);
            return;
        }
        Map<String, String> places = new TreeMap<>();
        for (int i = 0; i < shards.size(); i++) {
            String name = String.format(Locale.ROOT, "model-%05d-of-%05d.safetensors", i + 1, shards.size());
            write(name, metadata, shards.get(i));
            shards.get(i).forEach(tensor -> places.put(tensor.name(), name));
        }
        try (JsonGenerator json = Json.FACTORY.createGenerator(
                Files.newBufferedWriter(directory.resolve(Checkpoint.INDEX_FILE)))) {
            json.enable(JsonGenerator.Feature.AUTO_CLOSE_TARGET);
            json.useDefaultPrettyPrinter();
            json.writeStartObject();
            json.writeObjectFieldStart("metadata");
            json.writeNumberField("total_size", tensors.stream().mapToLong(TensorSource::bytes).sum());
            json.writeEndObject();
            json.writeObjectFieldStart("weight_map");
            for (Map.Entry<String, String> place : places.entrySet()) {
                json.writeStringField(place.getKey(), place.getValue());
            }
            json.writeEndObject();
            json.writeEndObject();
        }
    }

    private void write(String name, Map<String, String> metadata, List<TensorSource> tensors) {
        SafetensorsWriter.write(directory.resolve(name), metadata, tensors, Tensor.ALIGNMENT);
    }

    private static List<List<TensorSource>> shards(List<TensorSource> tensors, long most) {
        List<List<TensorSource>> shards = new ArrayList<>();
        List<TensorSource> shard = new ArrayList<>();
        long bytes = 0;
        for (TensorSource tensor : tensors) {
            if (!shard.isEmpty() && tensor.bytes() > most - bytes) {
                shards.add(shard);
                shard = new ArrayList<>();
                bytes = 0;
            }
            shard.add(tensor);
            bytes += tensor.bytes();
        }
        shards.add(shard);
        return shards;
    }

    /** The names of all files. */
    List<String> files() throws IOException {
        try (var files = Files.list(directory)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }
}
