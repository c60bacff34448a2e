package dev.isthmus.engine.weights.safetensors;

import com.fasterxml.jackson.core.JsonToken;
import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.CheckpointException.Reason;
import dev.isthmus.engine.files.Quote;
import dev.isthmus.engine.files.StrictJson;
import dev.isthmus.engine.files.TextFile;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * {@code model.safetensors.index.json}: which shard holds each tensor. Only its {@code weight_map} is used.
 *
 * @param file the index itself
 * @param shards the shard of each tensor; every one lies in the index's own directory
 */
public record ShardIndex(Path file, Map<String, Path> shards) {

    private static final String WEIGHT_MAP = "weight_map";

    /**
     * Reads an index.
     *
     * @throws CheckpointException if it cannot be read, is no index, or names a shard outside its directory
     */
    public static ShardIndex read(Path file) {
        try {
            return new ShardIndex(file, parse(TextFile.read(file), file));
        } catch (StrictJson.Fault e) {
            throw malformed(file, e.getMessage(), e);
        }
    }

    /** The files' names, each once, in the order of the index. */
    public List<String> fileNames() {
        return shards.values().stream().distinct().map(shard -> shard.getFileName().toString()).toList();
    }

    private static Map<String, Path> parse(byte[] text, Path file) throws StrictJson.Fault {
        Map<String, Path> shards = null;
        try (StrictJson json = new StrictJson(text)) {
            json.expect(JsonToken.START_OBJECT, "the index");
            while (json.next() == JsonToken.FIELD_NAME) {
                String field = json.text();
                if (!field.equals(WEIGHT_MAP)) {
                    json.next();
                    json.skip();
                } else if (shards == null) {
                    shards = weightMap(json, file);
                } else {
                    throw json.fault(WEIGHT_MAP + " appears twice");
                }
            }
            json.expectEnd();
            if (shards == null) {
                throw json.fault("there is no " + WEIGHT_MAP);
            }
            return shards;
        }
    }

    private static Map<String, Path> weightMap(StrictJson json, Path file) throws StrictJson.Fault {
        Map<String, Path> shards = new LinkedHashMap<>();
        Map<String, Path> paths = new LinkedHashMap<>();
        json.expect(JsonToken.START_OBJECT, WEIGHT_MAP);
        while (json.next() == JsonToken.FIELD_NAME) {
            String tensor = json.text();
            json.expect(JsonToken.VALUE_STRING, "the shard of tensor " + Quote.of(tensor));
            Path shard = paths.computeIfAbsent(json.text(), name -> shard(name, file));
            if (shards.put(tensor, shard) != null) {
                throw new CheckpointException(Reason.DUPLICATE_KEY, file, "tensor " + Quote.of(tensor)
                        + " appears twice in " + WEIGHT_MAP);
            }
        }
        return shards;
    }

    /**
     * The file of a shard. Its name must be a plain one, so that an index cannot reach other files; what a plain
     * name stands for may be a link, as in the Hugging Face cache, where whoever made the directory made the link.
     */
    private static Path shard(String name, Path file) {
        boolean plain = !name.isEmpty() && !name.equals(".") && !name.equals("..")
                && name.chars().noneMatch(c -> c == '/' || c == '\\' || c == ':' || Character.isISOControl(c));
        if (plain) {
            try {
                Path path = file.resolveSibling(name);
                if (path.getFileName().toString().equals(name)) {
                    return path;
                }
            } catch (InvalidPathException e) {
                // Refused below, like every other name that is no file's.
            }
        }
        throw new CheckpointException(Reason.INVALID_SHARD, file, "expected the plain name of a file beside the index"
                + " as a shard, found " + Quote.of(name));
    }

    private static CheckpointException malformed(Path file, String detail, Exception cause) {
        return new CheckpointException(Reason.MALFORMED, file, "this is no safetensors index: " + detail
                + "; download the file again", cause);
    }
}
