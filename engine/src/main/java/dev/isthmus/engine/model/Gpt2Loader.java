package dev.isthmus.engine.model;

import dev.isthmus.engine.checkpoint.Checkpoint;
import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.OutOfMemoryException;
import dev.isthmus.engine.files.MemoryLimit;
import dev.isthmus.engine.kernels.LayerNorm;
import dev.isthmus.engine.kernels.Layout;
import dev.isthmus.engine.kernels.Linear;
import dev.isthmus.engine.kernels.Matrix;
import dev.isthmus.engine.kernels.WeightMemory;
import dev.isthmus.engine.memory.MemoryBudget;
import dev.isthmus.engine.tensor.Place;
import dev.isthmus.engine.tensor.Tensor;
import dev.isthmus.engine.weights.StoredType;
import dev.isthmus.engine.weights.TensorInfo;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.BiConsumer;

/**
 * Reads a GPT-2 model's weights from a checkpoint. Names are transformers' own, with or without the
 * {@code transformer.} prefix; other tensors, such as the causal masks {@code h.N.attn.bias} and
 * {@code h.N.attn.masked_bias} of old files, are left alone.
 *
 * <p>The output matrix follows {@code PreTrainedModel.tie_weights} of transformers 5: {@code lm_head.weight} is used
 * wherever the checkpoint has it, even against {@code tie_word_embeddings} (equal contents share the embedding's
 * memory); where it has none, {@code tie_word_embeddings} makes it the embedding, and where only
 * {@code lm_head.weight} is there, {@code tie_word_embeddings} makes it the embedding too. Weights that transformers
 * would initialise at random are refused here.
 */
public final class Gpt2Loader {

    /** The matrices that a warning names. */
    private static final int MAX_NAMED = 5;

    private final Checkpoint checkpoint;
    private final Gpt2Config config;
    private final WeightMemory memory;
    private Optional<WeightType> asked;
    private final Gpt2Tensors tensors;
    private final Map<String, Tensor> vectors = new HashMap<>();
    private final Map<String, Matrix> matrices = new HashMap<>();
    private final List<WeightPieces.Piece> pieces = new ArrayList<>();
    private final Map<Path, Optional<MappedFile>> files = new LinkedHashMap<>();
    private long memoryBytes;

    /**
     * How to read.
     *
     * @param threads how many threads may read at a time, the caller's included; at least 1
     * @param progress told (bytes read, bytes in all), from any of these threads, one call at a time
     * @param budget the memory that copies come from, where they lie in the process's own
     */
    record Reading(int threads, BiConsumer<Long, Long> progress, MemoryBudget budget) {}

    private Gpt2Loader(Checkpoint checkpoint, Gpt2Config config, WeightMemory memory, Optional<WeightType> asked) {
        this.checkpoint = checkpoint;
        this.config = config;
        this.memory = memory;
        this.asked = asked;
        this.tensors = new Gpt2Tensors(checkpoint, config);
    }

    /**
     * Reads the weights.
     *
     * @param checkpoint where they are; it may be closed afterwards
     * @param config what shapes to expect
     * @param memory where they will lie, in the form that its backend computes with
     * @param type how to keep the matrices; empty for as they are stored. A matrix whose weights are out of the range of
     *     the type's scales is kept as F32
     * @param arena what owns the memory; it must be usable by any thread (shared). After a failure the caller closes it
     * @param threads how many threads may read at a time, the caller's included; at least 1
     * @param progress told (bytes read, bytes in all), from any of these threads, one call at a time
     * @return the weights, each tensor aligned to {@link Tensor#ALIGNMENT} bytes; matrices that are stored as they are
     *     kept lie in the file itself, where the backend reads files
     * @throws CheckpointException if a tensor is missing, has another shape or type than expected, or cannot be read
     * @throws OutOfMemoryException if there is too little memory for the copies; thrown before they are read
     */
    public static Gpt2Weights load(Checkpoint checkpoint, Gpt2Config config, WeightMemory memory,
            Optional<WeightType> type, Arena arena, int threads, BiConsumer<Long, Long> progress) {
        return load(checkpoint, config, memory, type, arena, new Reading(threads, progress, MemoryBudget.PROCESS));
    }

    /** As the other {@code load}. */
    static Gpt2Weights load(Checkpoint checkpoint, Gpt2Config config, WeightMemory memory,
            Optional<WeightType> type, Arena arena, Reading reading) {
        Gpt2Loader loader = new Gpt2Loader(checkpoint, config, memory, type);
        if (!loader.tensors.faults().isEmpty()) {
            throw loader.tensors.faults().getFirst();
        }
        return MemoryLimit.reading(checkpoint.path(), () -> loader.read(arena, reading));
    }

    /**
     * Everything for which {@link #load} would refuse the checkpoint by its headers: tensors that are missing, and
     * tensors of a wrong shape or type. After {@value Gpt2Tensors#MOST_FAULTS} no more layers are looked at.
     */
    public static List<CheckpointException> faults(Checkpoint checkpoint, Gpt2Config config) {
        return List.copyOf(new Gpt2Tensors(checkpoint, config).faults());
    }

    /** The checkpoint's tensors that {@link #load} does not look for. */
    public static List<TensorInfo> unused(Checkpoint checkpoint, Gpt2Config config) {
        Set<TensorInfo> used = new HashSet<>(new Gpt2Tensors(checkpoint, config).found().values());
        return checkpoint.tensors().stream().filter(tensor -> !used.contains(tensor)).toList();
    }

    private Gpt2Weights read(Arena arena, Reading reading) {
        boolean embedding = tensors.has(Gpt2Tensors.EMBEDDING);
        boolean head = tensors.has(Gpt2Tensors.HEAD);
        boolean ownHead = head && !tensors.headIsEmbedding();
        Set<String> names = new LinkedHashSet<>(tensors.found().keySet());
        if (!ownHead) {
            names.remove(Gpt2Tensors.HEAD);
        }
        asked = memory.commonType(names.stream().filter(Gpt2Tensors::isMatrix).map(name -> type(tensors.get(name)))
                .distinct().toList()).or(() -> asked);
        Map<String, MemorySegment> inPlace = new HashMap<>();
        names.forEach(name -> inPlace(name, arena).ifPresent(matrix -> inPlace.put(name, matrix)));
        List<String> copied = names.stream().filter(name -> !inPlace.containsKey(name)).toList();
        try (MemoryBudget.Loading _ = announce(copied, reading.budget())) {
            SegmentAllocator allocator = memory.allocator(arena, bytes(copied));
            // In the order of the file, which is the order that a disk is fast in.
            names.stream().sorted(Comparator.comparingLong(name -> tensors.get(name).begin()))
                    .forEach(name -> prepare(name, inPlace.get(name), allocator));
            WeightPieces all = new WeightPieces(checkpoint, memory, pieces, reading.progress());
            all.read(reading.threads());
            widen(all.outOfRange(), arena, reading.threads());
        }
        if (!embedding) {
            matrices.put(Gpt2Tensors.EMBEDDING, matrices.get(Gpt2Tensors.HEAD));
        } else if (!ownHead) {
            matrices.put(Gpt2Tensors.HEAD, matrices.get(Gpt2Tensors.EMBEDDING));
        }
        Gpt2Weights weights = assemble();
        weights.requireWhole();
        return weights;
    }

    /** Keeps matrices as F32 whose weights are too small or too large for the scales of their type. */
    private void widen(Set<Matrix> outOfRange, Arena arena, int threads) {
        if (outOfRange.isEmpty()) {
            return;
        }
        List<String> names = matrices.keySet().stream().filter(name -> outOfRange.contains(matrices.get(name))).sorted()
                .toList();
        System.getLogger(Gpt2Loader.class.getName()).log(System.Logger.Level.WARNING, checkpoint.path() + ": kept as f32: "
                + String.join(", ", names.subList(0, Math.min(names.size(), MAX_NAMED)))
                + (names.size() > MAX_NAMED ? " and " + (names.size() - MAX_NAMED) + " more" : "")
                + "; they have blocks of weights that are too small or too large for the scales of int8 and q4");
        pieces.clear();
        asked = Optional.of(WeightType.F32);
        SegmentAllocator allocator = memory.allocator(arena, bytes(names));
        names.forEach(name -> prepare(name, null, allocator));
        new WeightPieces(checkpoint, memory, pieces, (done, total) -> { }).read(threads);
    }

    /** Makes sure that what is copied fits into memory, before any of it is read. */
    private MemoryBudget.Loading announce(List<String> copied, MemoryBudget budget) {
        memoryBytes = memory.place() == Place.HOST ? bytes(copied) : 0;
        List<WeightType> types = copied.stream().filter(Gpt2Tensors::isMatrix).map(name -> type(tensors.get(name)))
                .distinct().toList();
        return new WeightDemand(checkpoint.path(), types, memoryBytes,
                type -> copied.stream().mapToLong(name -> bytes(name, type)).sum(), memory.packs())
                .announce(budget);
    }

    /** The bytes of one area for all, so that large pages are not left half empty. */
    private long bytes(List<String> names) {
        return names.stream().mapToLong(name -> Math.ceilDiv(bytes(name), Tensor.ALIGNMENT) * Tensor.ALIGNMENT).sum();
    }

    private long bytes(String name) {
        return bytes(name, type(tensors.get(name)));
    }

    /** The bytes of a weight, with matrices of a type. */
    private long bytes(String name, WeightType type) {
        return Gpt2Tensors.isMatrix(name) ? memory.matrixBytes(type, tensors.inputs(name), tensors.outputs(name))
                : tensors.get(name).shape().elements() * Float.BYTES;
    }

    /** A packed matrix where it lies in its file, if it can be used there. */
    private Optional<MemorySegment> inPlace(String name, Arena arena) {
        TensorInfo info = tensors.get(name);
        if (!Gpt2Tensors.isMatrix(name) || !memory.packs() || info.begin() % Tensor.ALIGNMENT != 0
                || tensors.packedType(info).filter(type -> type == type(info)).isEmpty()) {
            return Optional.empty();
        }
        return files.computeIfAbsent(info.file(), file -> map(file, arena))
                .map(file -> file.bytes().asSlice(info.begin(), info.bytes()));
    }

    private Optional<MappedFile> map(Path file, Arena arena) {
        return memory.mapped().flatMap(mapped -> checkpoint.map(file, arena).flatMap(mapping ->
                mapped.watch(mapping, arena).map(whole -> new MappedFile(file, mapping, whole))));
    }

    private void prepare(String name, MemorySegment inPlace, SegmentAllocator allocator) {
        TensorInfo info = tensors.get(name);
        MemorySegment area = inPlace != null ? inPlace : allocator.allocate(bytes(name), Tensor.ALIGNMENT);
        if (!Gpt2Tensors.isMatrix(name)) {
            Tensor vector = memory.vector(area, info.shape());
            vectors.put(name, vector);
            pieces.add(new WeightPieces.Vector(info, vector));
            return;
        }
        Layout layout = Gpt2Tensors.layout(name);
        Optional<WeightType> packed = tensors.packedType(info);
        Matrix matrix = memory.matrix(type(info), packed.isPresent() ? Layout.IN_OUT : layout, tensors.inputs(name),
                tensors.outputs(name), area);
        matrices.put(name, matrix);
        pieces.addAll(inPlace != null ? WeightPieces.inPlace(area)
                : packed.isPresent() ? WeightPieces.ofPacked(info, packed.get(), matrix)
                : WeightPieces.of(info, layout, matrix, memory.packsWholeRows()));
    }

    /** What a matrix is kept as: what was asked for, else what it is stored as. */
    private WeightType type(TensorInfo info) {
        Optional<WeightType> packed = tensors.packedType(info);
        if (packed.isPresent() && asked.orElse(packed.get()) == packed.get() && !memory.packs()) {
            // This backend takes the stored values as they are; rounding them again might move them.
            return WeightType.F32;
        }
        return asked.or(() -> packed).orElseGet(() -> switch (info.type()) {
            case StoredType.F16 -> WeightType.F16;
            case StoredType.BF16 -> WeightType.BF16;
            default -> WeightType.F32;
        });
    }

    private Gpt2Weights assemble() {
        List<Gpt2Weights.Block> blocks = new ArrayList<>();
        for (int layer = 0; layer < config.layers(); layer++) {
            String block = "h." + layer + ".";
            blocks.add(new Gpt2Weights.Block(norm(block + "ln_1"), linear(block + "attn.c_attn"),
                    linear(block + "attn.c_proj"), norm(block + "ln_2"), linear(block + "mlp.c_fc"),
                    linear(block + "mlp.c_proj")));
        }
        return new Gpt2Weights(matrices.get(Gpt2Tensors.EMBEDDING), vectors.get("wpe.weight"), List.copyOf(blocks),
                norm("ln_f"), new Linear(matrices.get(Gpt2Tensors.HEAD), null),
                files.values().stream().flatMap(Optional::stream).toList(), memoryBytes);
    }

    private LayerNorm norm(String name) {
        return new LayerNorm(vectors.get(name + ".weight"), vectors.get(name + ".bias"), config.epsilon());
    }

    private Linear linear(String name) {
        return new Linear(matrices.get(name + ".weight"), vectors.get(name + ".bias"));
    }
}
