package dev.isthmus.engine.checkpoint;

import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.CheckpointException.Reason;
import dev.isthmus.engine.weights.Pickle;
import dev.isthmus.engine.weights.gguf.GgufHeader;
import dev.isthmus.engine.weights.gguf.GgufParts;
import dev.isthmus.engine.weights.safetensors.ShardIndex;
import dev.isthmus.engine.files.RegularFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;

/** Finds the model that a path stands for: a directory in the Hugging Face layout, or a GGUF file. */
public final class ModelPath {

    private static final List<String> ADAPTER = List.of("adapter_config.json", "adapter_model.safetensors",
            "adapter_model.bin");

    private ModelPath() {}

    /**
     * The model that a path stands for. A weight file of a directory stands for the directory, a part of a divided GGUF
     * file for the first part, and a directory whose only weights are one GGUF file for that file.
     *
     * @param given a directory or a file; one that does not exist stands for itself
     * @return a directory, or a GGUF file
     * @throws CheckpointException if it is a file of another kind, a PEFT adapter, or a directory of several GGUF files
     */
    public static Path resolve(Path given) {
        if (Files.isDirectory(given)) {
            return inDirectory(given);
        }
        if (GgufHeader.isGguf(given)) {
            return GgufParts.of(given).getFirst();
        }
        return Files.exists(given) ? directoryOf(given) : given;
    }

    private static Path inDirectory(Path directory) {
        if (has(directory, Checkpoint.SINGLE_FILE) || has(directory, Checkpoint.INDEX_FILE)) {
            return directory;
        }
        TreeMap<String, Path> models = new TreeMap<>();
        for (Path file : ggufFiles(directory)) {
            models.putIfAbsent(GgufParts.model(file), file);
        }
        if (models.size() == 1) {
            return GgufParts.of(models.firstEntry().getValue()).getFirst();
        }
        if (models.size() > 1) {
            throw new CheckpointException(Reason.MISSING_FILE, directory, "expected one model in this directory, found "
                    + models.size() + " GGUF files: " + names(models.values().stream().toList())
                    + "; name one of them with its path");
        }
        Optional<String> adapter = ADAPTER.stream().filter(name -> has(directory, name)).findFirst();
        if (adapter.isPresent()) {
            throw new CheckpointException(Reason.MISSING_FILE, directory, "this is a PEFT adapter (" + adapter.get()
                    + "), which changes the weights of another model and has none of its own; merge it into that model"
                    + " from Python first, with PeftModel.from_pretrained(MODEL, DIR).merge_and_unload()"
                    + ".save_pretrained(NEW_DIR), and name NEW_DIR");
        }
        return directory;
    }

    private static List<Path> ggufFiles(Path directory) {
        try (Stream<Path> files = Files.list(directory)) {
            return files.filter(file -> file.getFileName().toString().endsWith(".gguf")).sorted().toList();
        } catch (IOException e) {
            throw RegularFile.unreadable(directory, e);
        }
    }

    /** The directory that a file other than a GGUF file is the weights of. */
    private static Path directoryOf(Path file) {
        RegularFile.require(file);
        Path directory = file.getParent() == null ? file.getFileSystem().getPath("") : file.getParent();
        String name = file.getFileName().toString();
        if (!name.endsWith(".safetensors") && !name.equals(Checkpoint.INDEX_FILE)) {
            String what = Pickle.begins(file) ? Pickle.REFUSAL : "expected a model directory, a GGUF file or the "
                    + Checkpoint.SINGLE_FILE + " of a directory, found another file; name the model's directory";
            throw new CheckpointException(Reason.MALFORMED, file, what);
        }
        if (isWeightsOf(directory, name)) {
            return directory;
        }
        Path model = inDirectory(directory);
        throw new CheckpointException(Reason.INVALID_SHARD, file, (model.equals(directory)
                && (has(directory, Checkpoint.SINGLE_FILE) || has(directory, Checkpoint.INDEX_FILE))
                ? "this file is not what its directory's model consists of"
                : "expected the weights under the name " + Checkpoint.SINGLE_FILE + ", beside config.json, found them"
                        + " under another") + "; name the directory of a model, or give the file this name");
    }

    /** Whether opening a directory reads the file of this name. */
    private static boolean isWeightsOf(Path directory, String name) {
        if (has(directory, Checkpoint.SINGLE_FILE)) {
            return name.equals(Checkpoint.SINGLE_FILE);
        }
        return has(directory, Checkpoint.INDEX_FILE) && (name.equals(Checkpoint.INDEX_FILE)
                || ShardIndex.read(directory.resolve(Checkpoint.INDEX_FILE)).fileNames().contains(name));
    }

    private static String names(List<Path> files) {
        List<String> names = files.stream().limit(8).map(file -> file.getFileName().toString()).toList();
        return String.join(", ", names) + (files.size() > names.size() ? ", …" : "");
    }

    /** A broken link counts, so that the message is about it. */
    private static boolean has(Path directory, String name) {
        Path file = directory.resolve(name);
        return Files.exists(file) || Files.isSymbolicLink(file);
    }
}
