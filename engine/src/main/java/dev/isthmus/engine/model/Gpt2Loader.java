package dev.isthmus.engine.model;

import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.kernels.Kernels;
import dev.isthmus.engine.kernels.LayerNorm;
import dev.isthmus.engine.kernels.Layout;
import dev.isthmus.engine.kernels.Linear;
import dev.isthmus.engine.kernels.Matrix;
import dev.isthmus.engine.tensor.DType;
import dev.isthmus.engine.tensor.Place;
import dev.isthmus.engine.tensor.Tensor;
import dev.isthmus.engine.weights.Checkpoint;
import dev.isthmus.engine.weights.MemoryLimit;
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
    private static final int MOST_NAMED = 5;

    private final Checkpoint checkpoint;
    private final Gpt2Config config;
    private final Kernels kernels;
    private Optional<WeightType> asked;
    private final Gpt2Tensors tensors;
    private final Map<String, Tensor> vectors = new HashMap<>();
    private final Map<String, Matrix> matrices = new HashMap<>();
    private final List<WeightPieces.Piece> pieces = new ArrayList<>();
    private final Map<Path, Optional<MappedFile>> files = new LinkedHashMap<>();

    private Gpt2Loader(Checkpoint checkpoint, Gpt2Config config, Kernels kernels, Optional<WeightType> asked) {
        this.checkpoint = checkpoint;
        this.config = config;
        this.kernels = kernels;
        this.asked = asked;
        this.tensors = new Gpt2Tensors(checkpoint, config);
    }

    /**
     * Reads the weights.
     *
     * @param checkpoint where they are; it may be closed afterwards
     * @param config what shapes to expect
     * @param kernels what will compute with them, and says how matrices lie in memory
     * @param type how to keep the matrices; empty for as they are stored. A matrix whose weights are out of the range of
     *     the type's scales is kept as F32
     * @param arena what owns the memory; it must be usable by any thread (shared). After a failure the caller closes it
     * @param threads how many threads may read at a time, the caller's included; at least 1
     * @param progress told (bytes read, bytes in all), from any of these threads, one call at a time
     * @return the weights, each tensor aligned to {@link Tensor#ALIGNMENT} bytes; matrices that are stored as they are
     *     kept lie in the file itself, where the kernels read files
     * @throws CheckpointException if a tensor is missing, has another shape or type than expected, or cannot be read
     */
    public static Gpt2Weights load(Checkpoint checkpoint, Gpt2Config config, Kernels kernels, Optional<WeightType> type,
            Arena arena, int threads, BiConsumer<Long, Long> progress) {
        Gpt2Loader loader = new Gpt2Loader(checkpoint, config, kernels, type);
        if (!loader.tensors.faults().isEmpty()) {
            throw loader.tensors.faults().getFirst();
        }
        return MemoryLimit.reading(checkpoint.path(), () -> loader.read(arena, threads, progress));
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

    private Gpt2Weights read(Arena arena, int threads, BiConsumer<Long, Long> progress) {
        boolean embedding = tensors.has(Gpt2Tensors.EMBEDDING);
        boolean head = tensors.has(Gpt2Tensors.HEAD);
        boolean ownHead = head && !tensors.headIsEmbedding();
        Set<String> names = new LinkedHashSet<>(tensors.found().keySet());
        if (!ownHead) {
            names.remove(Gpt2Tensors.HEAD);
        }
        if (kernels.place() == Place.DEVICE) {
            takeOneType(names);
        }
        Map<String, MemorySegment> inPlace = new HashMap<>();
        names.forEach(name -> inPlace(name, arena).ifPresent(matrix -> inPlace.put(name, matrix)));
        SegmentAllocator memory = allocate(arena, names.stream().filter(name -> !inPlace.containsKey(name)).toList());
        // In the order of the file, which is the order that a disk is fast in.
        names.stream().sorted(Comparator.comparingLong(name -> tensors.get(name).begin()))
                .forEach(name -> prepare(name, inPlace.get(name), memory));
        WeightPieces all = new WeightPieces(checkpoint, kernels, pieces, progress);
        all.read(threads);
        widen(all.outOfRange(), arena, threads);
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
                + String.join(", ", names.subList(0, Math.min(names.size(), MOST_NAMED)))
                + (names.size() > MOST_NAMED ? " and " + (names.size() - MOST_NAMED) + " more" : "")
                + "; they have blocks of weights that are too small or too large for the scales of int8 and q4");
        pieces.clear();
        asked = Optional.of(WeightType.F32);
        SegmentAllocator memory = allocate(arena, names);
        names.forEach(name -> prepare(name, null, memory));
        new WeightPieces(checkpoint, kernels, pieces, (done, total) -> { }).read(threads);
    }

    /** What lies between products on a device has one type, so all matrices have: F32 where files mix several. */
    private void takeOneType(Set<String> names) {
        List<WeightType> types = names.stream().filter(Gpt2Tensors::isMatrix).map(name -> type(tensors.get(name)))
                .distinct().toList();
        asked = Optional.of(types.size() == 1 ? types.getFirst() : WeightType.F32);
    }

    /** One area for all, so that large pages are not left half empty. */
    private SegmentAllocator allocate(Arena arena, List<String> names) {
        long bytes = names.stream().mapToLong(name -> Math.ceilDiv(bytes(name), Tensor.ALIGNMENT) * Tensor.ALIGNMENT)
                .sum();
        return kernels.weightsAllocator(arena, bytes);
    }

    private long bytes(String name) {
        TensorInfo info = tensors.get(name);
        return Gpt2Tensors.isMatrix(name) ? kernels.matrixBytes(type(info), tensors.inputs(name), tensors.outputs(name))
                : info.shape().elements() * Float.BYTES;
    }

    /** A packed matrix where it lies in its file, if it can be used there. */
    private Optional<MemorySegment> inPlace(String name, Arena arena) {
        TensorInfo info = tensors.get(name);
        if (!Gpt2Tensors.isMatrix(name) || !kernels.packsMatrices() || info.begin() % Tensor.ALIGNMENT != 0
                || tensors.packedType(info).filter(type -> type == type(info)).isEmpty()) {
            return Optional.empty();
        }
        return files.computeIfAbsent(info.file(), file -> map(file, arena))
                .map(file -> file.bytes().asSlice(info.begin(), info.bytes()));
    }

    private Optional<MappedFile> map(Path file, Arena arena) {
        return checkpoint.map(file, arena).flatMap(mapping -> kernels.watch(mapping, arena)
                .map(whole -> new MappedFile(file, mapping, whole)));
    }

    private void prepare(String name, MemorySegment inPlace, SegmentAllocator memory) {
        TensorInfo info = tensors.get(name);
        MemorySegment area = inPlace != null ? inPlace : memory.allocate(bytes(name), Tensor.ALIGNMENT);
        if (!Gpt2Tensors.isMatrix(name)) {
            Tensor vector = new Tensor(area, DType.F32, info.shape(), kernels.place());
            vectors.put(name, vector);
            pieces.add(new WeightPieces.Vector(info, vector));
            return;
        }
        Layout layout = Gpt2Tensors.layout(name);
        Optional<WeightType> packed = tensors.packedType(info);
        Matrix matrix = kernels.matrix(type(info), packed.isPresent() ? Layout.IN_OUT : layout, tensors.inputs(name),
                tensors.outputs(name), area);
        matrices.put(name, matrix);
        pieces.addAll(inPlace != null ? WeightPieces.inPlace(area)
                : packed.isPresent() ? WeightPieces.ofPacked(info, packed.get(), matrix)
                : WeightPieces.of(info, layout, matrix));
    }

    /** What a matrix is kept as: what was asked for, else what it is stored as. */
    private WeightType type(TensorInfo info) {
        Optional<WeightType> packed = tensors.packedType(info);
        if (packed.isPresent() && asked.orElse(packed.get()) == packed.get() && !kernels.packsMatrices()) {
            // These kernels take the stored values as they are; rounding them again might move them.
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
                files.values().stream().flatMap(Optional::stream).toList());
    }

    private LayerNorm norm(String name) {
        return new LayerNorm(vectors.get(name + ".weight"), vectors.get(name + ".bias"), config.epsilon());
    }

    private Linear linear(String name) {
        return new Linear(matrices.get(name + ".weight"), vectors.get(name + ".bias"));
    }
}
