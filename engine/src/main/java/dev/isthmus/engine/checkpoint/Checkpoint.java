package dev.isthmus.engine.checkpoint;

import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.CheckpointException.Reason;
import dev.isthmus.engine.errors.ClosedException;
import dev.isthmus.engine.files.MemoryLimit;
import dev.isthmus.engine.files.Quote;
import dev.isthmus.engine.weights.Pickle;
import dev.isthmus.engine.weights.TensorInfo;
import dev.isthmus.engine.weights.gguf.GgufHeader;
import dev.isthmus.engine.weights.gguf.GgufParts;
import dev.isthmus.engine.weights.safetensors.ShardIndex;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;

/**
 * The open weight files of a model: a safetensors file, a set of shards with an index, or a GGUF file of architecture
 * gpt2, whole or in parts, whose tensors appear under transformers' names and with its shapes. Works on any file
 * system. Immutable but for {@link #close}; any thread may read, several at the same time.
 */
public final class Checkpoint implements AutoCloseable {

    /** The file of an unsharded model. */
    public static final String SINGLE_FILE = "model.safetensors";

    /** The index of a sharded model. */
    public static final String INDEX_FILE = "model.safetensors.index.json";

    private final Path path;
    private final Map<Path, TensorFile> files;
    private final Map<String, TensorInfo> tensors;
    private final Optional<ShardIndex> index;

    private Checkpoint(Path path, Map<Path, TensorFile> files, Map<String, TensorInfo> tensors,
            Optional<ShardIndex> index) {
        this.path = path;
        this.files = files;
        this.index = index;
        this.tensors = Collections.unmodifiableMap(tensors);
    }

    /**
     * Opens a checkpoint and checks its headers; no tensor's contents are read.
     *
     * @param path a directory with {@value #SINGLE_FILE} or else {@value #INDEX_FILE} (transformers' order), or one
     *     safetensors or GGUF file, or any part of a divided GGUF file
     * @throws CheckpointException if it is missing, unreadable or invalid
     */
    public static Checkpoint open(Path path) {
        return MemoryLimit.reading(path, () -> find(path));
    }

    private static Checkpoint find(Path path) {
        if (GgufHeader.isGguf(path)) {
            return openFiles(path, GgufParts.of(path), Optional.empty(), TensorFile::openGguf);
        }
        if (!Files.isDirectory(path)) {
            return openFiles(path, List.of(path), Optional.empty(), TensorFile::openSafetensors);
        }
        Path single = path.resolve(SINGLE_FILE);
        Path index = path.resolve(INDEX_FILE);
        if (isThere(single)) {
            return openFiles(path, List.of(single), Optional.empty(), TensorFile::openSafetensors);
        }
        if (isThere(index)) {
            ShardIndex shards = ShardIndex.read(index);
            return openFiles(path, new LinkedHashSet<>(shards.shards().values()), Optional.of(shards),
                    TensorFile::openSafetensors);
        }
        throw noCheckpoint(path);
    }

    /** A broken link counts, so that the message is about it. */
    private static boolean isThere(Path file) {
        return Files.exists(file) || Files.isSymbolicLink(file);
    }

    private static CheckpointException noCheckpoint(Path directory) {
        for (String pickle : List.of("pytorch_model.bin", "pytorch_model.bin.index.json")) {
            if (isThere(directory.resolve(pickle))) {
                return new CheckpointException(Reason.MISSING_FILE, directory.resolve(pickle), "there is no "
                        + SINGLE_FILE + " beside it, and " + Pickle.REFUSAL);
            }
        }
        return new CheckpointException(Reason.MISSING_FILE, directory, "expected " + SINGLE_FILE + " or " + INDEX_FILE
                + " in this directory, found neither; name the directory of a model in the Hugging Face layout, or a GGUF file"
                + " itself");
    }

    private static Checkpoint openFiles(Path path, Iterable<Path> paths, Optional<ShardIndex> index,
            Function<Path, TensorFile> open) {
        Map<Path, TensorFile> files = new LinkedHashMap<>();
        Map<String, TensorInfo> tensors = new LinkedHashMap<>();
        try {
            for (Path each : paths) {
                TensorFile file = open.apply(each);
                files.put(each, file);
                for (TensorInfo tensor : file.tensors()) {
                    TensorInfo other = tensors.put(tensor.name(), tensor);
                    if (other != null) {
                        throw new CheckpointException(Reason.INVALID_SHARD, each, "tensor " + Quote.of(tensor.name())
                                + " is also in " + other.file().getFileName() + "; download the model again");
                    }
                }
            }
            index.ifPresent(shards -> checkIndex(shards, tensors));
            Checkpoint checkpoint = new Checkpoint(path, files, tensors, index);
            files = Map.of();
            return checkpoint;
        } finally {
            files.values().forEach(TensorFile::close);
        }
    }

    /** Checks the places of tensors that are there. One that is nowhere matters only to a model that needs it. */
    private static void checkIndex(ShardIndex index, Map<String, TensorInfo> tensors) {
        index.shards().forEach((name, shard) -> {
            TensorInfo tensor = tensors.get(name);
            if (tensor != null && !tensor.file().equals(shard)) {
                throw new CheckpointException(Reason.INVALID_SHARD, shard, "expected tensor " + Quote.of(name)
                        + " here by " + index.file().getFileName() + ", found it in " + tensor.file().getFileName()
                        + "; download the model again");
            }
        });
    }

    /** What was opened: the directory or the file. */
    public Path path() {
        return path;
    }

    /** The files, in the order of the index. */
    public List<Path> files() {
        return List.copyOf(files.keySet());
    }

    /** All tensors, in the order of the files and of their places there. */
    public List<TensorInfo> tensors() {
        return new ArrayList<>(tensors.values());
    }

    /** The tensor with this name. */
    public Optional<TensorInfo> tensor(String name) {
        return Optional.ofNullable(tensors.get(name));
    }

    /** The shard that the index of a sharded model names for a tensor, whether the tensor is there or not. */
    public Optional<Path> indexedShard(String name) {
        return index.map(shards -> shards.shards().get(name));
    }

    /** The {@code __metadata__} of one of {@link #files}; empty if it has none, as a GGUF file. */
    public Map<String, String> metadata(Path file) {
        return file(file).metadata();
    }

    /**
     * Reads a whole tensor as F32. F16 and BF16 are converted exactly, ggml's block types as ggml does.
     *
     * @param name the tensor's name
     * @param into off-heap memory of 4 bytes an element, in native byte order
     * @throws CheckpointException if there is no such tensor, it has another type, or the file cannot be read
     * @throws ClosedException after {@link #close}
     */
    public void readF32(String name, MemorySegment into) {
        TensorInfo tensor = tensor(name).orElseThrow(() -> new CheckpointException(Reason.MISSING_TENSOR, path,
                "there is no tensor " + Quote.of(name)));
        if (into.byteSize() / Float.BYTES != tensor.shape().elements()) {
            throw new IllegalArgumentException("tensor " + Quote.of(name) + " has " + tensor.shape().elements()
                    + " elements, found room for " + into.byteSize() / Float.BYTES);
        }
        readF32(tensor, 0, into);
    }

    /**
     * Reads some elements of a tensor as F32, in row-major order. Of a {@linkplain TensorInfo#transposed transposed}
     * one take as many rows at a time as you can: each call reads a part of every column.
     *
     * @param tensor one of {@link #tensors}
     * @param first the index of the first element
     * @param into off-heap memory of 4 bytes for each element to read
     * @throws CheckpointException if it has another type than {@link StoredType#readsAsF32} names, or the file cannot be read
     * @throws ClosedException after {@link #close}
     */
    public void readF32(TensorInfo tensor, long first, MemorySegment into) {
        if (!tensor.type().readsAsF32()) {
            throw new CheckpointException(Reason.WRONG_TYPE, tensor.file(), "tensor " + Quote.of(tensor.name())
                    + ": expected F32, F16 or BF16, found " + tensor.type() + "; save the model in one of these types");
        }
        requireRoom(into, Float.BYTES);
        long count = into.byteSize() / Float.BYTES;
        checkRange(first, count, tensor.shape().elements());
        TensorFile file = file(tensor.file());
        MemoryLimit.reading(tensor.file(), () -> {
            if (tensor.transposed()) {
                Transposition.read(file, tensor, first, into);
            } else {
                Float32Reader.read(file, tensor, first, into);
            }
            return null;
        });
    }

    /**
     * Reads some of a tensor's bytes as they are in the file.
     *
     * @param tensor one of {@link #tensors}
     * @param first the index of the first byte
     * @param into off-heap memory for the bytes to read
     * @throws CheckpointException if the file cannot be read
     * @throws ClosedException after {@link #close}
     */
    public void readBytes(TensorInfo tensor, long first, MemorySegment into) {
        requireRoom(into, 1);
        checkRange(first, into.byteSize(), tensor.bytes());
        file(tensor.file()).read(tensor.begin() + first, into);
    }

    /**
     * Maps one of {@link #files} into memory, read-only and from its first byte on, so that {@link TensorInfo#begin}
     * counts there too. What is written into the file later shows in the mapping. Once the file is cut short, reading
     * behind its end is an {@code InternalError} in Java and the end of the process in native code, unless the mapping
     * is watched.
     *
     * @param file the file
     * @param arena what frees the mapping, which outlives this checkpoint
     * @return empty where its file system maps no files
     */
    public Optional<MemorySegment> map(Path file, Arena arena) {
        return file(file).map(arena);
    }

    private static void requireRoom(MemorySegment into, int elementBytes) {
        if (!into.isNative() || into.isReadOnly() || into.byteSize() % elementBytes != 0) {
            throw new IllegalArgumentException("expected writable off-heap memory of a multiple of " + elementBytes
                    + " bytes, found " + into);
        }
    }

    private static void checkRange(long first, long count, long size) {
        if (first < 0 || count > size - first) {
            throw new IndexOutOfBoundsException("expected a range within " + size + ", found " + count + " from "
                    + first);
        }
    }

    private TensorFile file(Path file) {
        TensorFile open = files.get(file);
        if (open == null) {
            throw new IllegalArgumentException(file + " is not a file of the checkpoint " + path);
        }
        return open;
    }

    /** Closes the files. Reads in progress fail with a {@link ClosedException}. A second call does nothing. */
    @Override
    public void close() {
        files.values().forEach(TensorFile::close);
    }
}
