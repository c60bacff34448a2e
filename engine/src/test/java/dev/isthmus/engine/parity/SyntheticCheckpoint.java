package dev.isthmus.engine.parity;

import dev.isthmus.engine.checkpoint.Checkpoint;
import dev.isthmus.engine.tensor.Shape;
import dev.isthmus.engine.weights.StoredType;
import dev.isthmus.engine.weights.safetensors.SafetensorsWriter;
import dev.isthmus.engine.weights.safetensors.SafetensorsWriter.Entry;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.zip.CRC32;

/**
 * A checkpoint of synthetic weights in the Hugging Face layout.
 *
 * @param weights the weights
 * @param config the text of config.json
 * @param type how the weights are stored: F32, F16 or BF16
 * @param prefix what stands before the parameters' names, but for lm_head
 * @param masks whether the causal masks of old files are there too
 * @param shards the number of files; 1 for an unsharded model
 */
record SyntheticCheckpoint(SyntheticWeights weights, String config, StoredType type, String prefix, boolean masks,
        int shards) {

    /** Writes the directory's files. */
    void write(Path directory) throws IOException {
        Files.writeString(directory.resolve("config.json"), config);
        try (Arena arena = Arena.ofShared()) {
            List<Entry> entries = new ArrayList<>();
            parameters(arena).forEach((name, entry) -> entries.add(named(fileName(name), entry)));
            if (masks) {
                addMasks(arena, entries);
            }
            if (shards == 1) {
                SafetensorsWriter.write(directory.resolve(Checkpoint.SINGLE_FILE), Map.of(), entries);
            } else {
                writeShards(directory, entries);
            }
        }
    }

    /** The CRC-32 of each parameter's bytes, by its name without prefix. */
    Map<String, String> checksums() {
        try (Arena arena = Arena.ofShared()) {
            Map<String, String> checksums = new LinkedHashMap<>();
            parameters(arena).forEach((name, entry) -> {
                CRC32 crc = new CRC32();
                crc.update(entry.data().asByteBuffer());
                checksums.put(name, String.format(Locale.ROOT, "%08x", crc.getValue()));
            });
            return checksums;
        }
    }

    private Map<String, Entry> parameters(Arena arena) {
        Map<String, Entry> parameters = new LinkedHashMap<>();
        weights.shapes().forEach((name, shape) -> {
            MemorySegment data = arena.allocate(shape.elements() * type.bits() / 8, Float.BYTES);
            weights.fill(name, shape, type, data);
            parameters.put(name, new Entry(name, type, shape, data));
        });
        return parameters;
    }

    private static Entry named(String name, Entry entry) {
        return new Entry(name, entry.type(), entry.shape(), entry.data());
    }

    private String fileName(String name) {
        return name.startsWith("lm_head.") ? name : prefix + name;
    }

    private void addMasks(Arena arena, List<Entry> entries) {
        int positions = weights.size().positions();
        MemorySegment mask = arena.allocate((long) Float.BYTES * positions * positions, Float.BYTES);
        for (int row = 0; row < positions; row++) {
            for (int column = 0; column <= row; column++) {
                mask.setAtIndex(ValueLayout.JAVA_FLOAT, (long) row * positions + column, 1);
            }
        }
        MemorySegment masked = arena.allocateFrom(ValueLayout.JAVA_FLOAT, -1e4f);
        for (int layer = 0; layer < weights.size().layers(); layer++) {
            String attention = prefix + "h." + layer + ".attn.";
            entries.add(new Entry(attention + "bias", StoredType.F32, new Shape(1, 1, positions, positions), mask));
            entries.add(new Entry(attention + "masked_bias", StoredType.F32, new Shape(), masked));
        }
    }

    private void writeShards(Path directory, List<Entry> entries) throws IOException {
        Map<String, String> index = new LinkedHashMap<>();
        for (int shard = 0; shard < shards; shard++) {
            String file = String.format(Locale.ROOT, "model-%05d-of-%05d.safetensors", shard + 1, shards);
            List<Entry> part = new ArrayList<>();
            for (int i = shard; i < entries.size(); i += shards) {
                part.add(entries.get(i));
                index.put(entries.get(i).name(), file);
            }
            SafetensorsWriter.write(directory.resolve(file), Map.of("format", "pt"), part);
        }
        long bytes = entries.stream().mapToLong(entry -> entry.data().byteSize()).sum();
        Files.writeString(directory.resolve(Checkpoint.INDEX_FILE), index.entrySet().stream()
                .map(entry -> "\"" + entry.getKey() + "\": \"" + entry.getValue() + "\"")
                .collect(Collectors.joining(", ", "{\"metadata\": {\"total_size\": " + bytes + "}, \"weight_map\": {",
                        "}}")));
    }
}
