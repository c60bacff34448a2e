package dev.isthmus.engine.model;

import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.CheckpointException.Reason;
import dev.isthmus.engine.kernels.LayerNorm;
import dev.isthmus.engine.kernels.Layout;
import dev.isthmus.engine.kernels.Linear;
import dev.isthmus.engine.tensor.DType;
import dev.isthmus.engine.tensor.Shape;
import dev.isthmus.engine.tensor.Tensor;
import dev.isthmus.engine.weights.Checkpoint;
import dev.isthmus.engine.weights.StoredType;
import dev.isthmus.engine.weights.TensorInfo;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
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

    private static final String PREFIX = "transformer.";
    private static final String EMBEDDING = "wte.weight";
    private static final String HEAD = "lm_head.weight";
    private static final long COMPARE_BYTES = 1 << 22;

    /** A wrong config.json can ask for more tensors than anyone wants to read about. */
    private static final int MOST_FAULTS = 200;

    private final Checkpoint checkpoint;
    private final Gpt2Config config;
    private final Map<String, TensorInfo> found = new LinkedHashMap<>();
    private final List<CheckpointException> faults = new ArrayList<>();

    private Gpt2Loader(Checkpoint checkpoint, Gpt2Config config) {
        this.checkpoint = checkpoint;
        this.config = config;
        findAll();
    }

    /**
     * Reads the weights as F32.
     *
     * @param checkpoint where they are; it may be closed afterwards
     * @param config what shapes to expect
     * @param arena what owns the memory; it must be usable by any thread (shared) if {@code threads} is above 1.
     *     After a failure the caller closes it
     * @param threads how many threads may read at a time, the caller's included; at least 1
     * @param progress told (bytes read, bytes in all), from any of these threads, one call at a time
     * @return the weights, each tensor aligned to {@link Tensor#ALIGNMENT} bytes
     * @throws CheckpointException if a tensor is missing, has another shape or type than expected, or cannot be read
     */
    public static Gpt2Weights load(Checkpoint checkpoint, Gpt2Config config, Arena arena, int threads,
            BiConsumer<Long, Long> progress) {
        Gpt2Loader loader = new Gpt2Loader(checkpoint, config);
        if (!loader.faults.isEmpty()) {
            throw loader.faults.getFirst();
        }
        long total = loader.found.values().stream().mapToLong(TensorInfo::bytes).sum();
        return loader.read(arena, threads, new ParallelRead(checkpoint, threads, total, progress));
    }

    /**
     * Everything for which {@link #load} would refuse the checkpoint by its headers: tensors that are missing, and
     * tensors of a wrong shape or type. After {@value #MOST_FAULTS} no more layers are looked at.
     */
    public static List<CheckpointException> faults(Checkpoint checkpoint, Gpt2Config config) {
        return List.copyOf(new Gpt2Loader(checkpoint, config).faults);
    }

    /** The checkpoint's tensors that {@link #load} does not look for. */
    public static List<TensorInfo> unused(Checkpoint checkpoint, Gpt2Config config) {
        Set<TensorInfo> used = new HashSet<>(new Gpt2Loader(checkpoint, config).found.values());
        return checkpoint.tensors().stream().filter(tensor -> !used.contains(tensor)).toList();
    }

    private void findAll() {
        long c = config.channels();
        long inner = config.inner();
        boolean head = find(HEAD, config.vocabulary(), c);
        boolean embedding = find(EMBEDDING, config.vocabulary(), c);
        if (!embedding && !(head && config.tiedHead())) {
            faults.add(missing(EMBEDDING, ""));
        }
        if (!head && !config.tiedHead()) {
            faults.add(missing(HEAD, " (tie_word_embeddings is false, so the output matrix must be in the file)"));
        }
        require("wpe.weight", config.context(), c);
        for (int layer = 0; layer < config.layers() && faults.size() < MOST_FAULTS; layer++) {
            String block = "h." + layer + ".";
            require(block + "ln_1.weight", c);
            require(block + "ln_1.bias", c);
            require(block + "attn.c_attn.weight", c, 3 * c);
            require(block + "attn.c_attn.bias", 3 * c);
            require(block + "attn.c_proj.weight", c, c);
            require(block + "attn.c_proj.bias", c);
            require(block + "ln_2.weight", c);
            require(block + "ln_2.bias", c);
            require(block + "mlp.c_fc.weight", c, inner);
            require(block + "mlp.c_fc.bias", inner);
            require(block + "mlp.c_proj.weight", inner, c);
            require(block + "mlp.c_proj.bias", c);
        }
        require("ln_f.weight", c);
        require("ln_f.bias", c);
    }

    private void require(String name, long... dims) {
        if (!find(name, dims)) {
            faults.add(missing(name, ""));
        }
    }

    /** Looks a tensor up and checks it; false if it is not there. */
    private boolean find(String name, long... dims) {
        Optional<TensorInfo> plain = checkpoint.tensor(name);
        Optional<TensorInfo> prefixed = checkpoint.tensor(PREFIX + name);
        // The head's own name is the one without prefix.
        Optional<TensorInfo> tensor = name.equals(HEAD) ? plain.or(() -> prefixed) : prefixed.or(() -> plain);
        if (tensor.isEmpty()) {
            return false;
        }
        TensorInfo info = tensor.get();
        found.put(name, info);
        Shape expected = new Shape(dims);
        if (!info.shape().equals(expected)) {
            faults.add(new CheckpointException(Reason.WRONG_SHAPE, info.file(), "tensor " + info.name()
                    + ": expected shape " + expected + " by config.json, found " + info.shape()
                    + "; take weights and config.json from the same model"));
        } else if (info.type() != StoredType.F32 && info.type() != StoredType.F16 && info.type() != StoredType.BF16) {
            faults.add(new CheckpointException(Reason.WRONG_TYPE, info.file(), "tensor " + info.name()
                    + ": expected F32, F16 or BF16, found " + info.type() + "; save the model in one of these types"));
        }
        return true;
    }

    private CheckpointException missing(String name, String why) {
        return new CheckpointException(Reason.MISSING_TENSOR, checkpoint.path(), "expected tensor " + name
                + " or " + PREFIX + name + " by config.json (n_layer " + config.layers()
                + "), found neither among " + checkpoint.tensors().size() + " tensors" + why
                + "; take weights and config.json from the same GPT-2 model");
    }

    private Gpt2Weights read(Arena arena, int threads, ParallelRead reads) {
        Set<String> names = new LinkedHashSet<>(found.keySet());
        if (found.containsKey(EMBEDDING)) {
            names.remove(HEAD);
        }
        Map<String, Tensor> tensors = allocate(arena, names, threads);
        // In the order of the file, which is the order that a disk is fast in.
        reads.run(names.stream().sorted(Comparator.comparingLong(name -> found.get(name).begin()))
                .map(name -> target(name, tensors)).toList());
        if (!found.containsKey(EMBEDDING)) {
            tensors.put(EMBEDDING, tensors.get(HEAD));
        } else if (!found.containsKey(HEAD)) {
            tensors.put(HEAD, tensors.get(EMBEDDING));
        } else if (equal(found.get(HEAD), tensors.get(EMBEDDING).data())) {
            tensors.put(HEAD, tensors.get(EMBEDDING));
            reads.advance(found.get(HEAD).bytes());
        } else {
            tensors.putAll(allocate(arena, Set.of(HEAD), threads));
            reads.run(List.of(target(HEAD, tensors)));
        }
        return assemble(tensors);
    }

    private ParallelRead.Target target(String name, Map<String, Tensor> tensors) {
        return new ParallelRead.Target(found.get(name), tensors.get(name).data());
    }

    /** In parallel too: an arena clears its memory, which takes as long as reading a cached file into it. */
    private Map<String, Tensor> allocate(Arena arena, Set<String> names, int threads) {
        Map<String, Tensor> tensors = new ConcurrentHashMap<>();
        ParallelRead.runAll(names.stream().sorted(Comparator.comparingLong(name -> -found.get(name).bytes()))
                .map(name -> (Runnable) () -> tensors.put(name, allocate(arena, found.get(name)))).toList(), threads);
        return tensors;
    }

    private static Tensor allocate(Arena arena, TensorInfo info) {
        try {
            return Tensor.allocate(arena, DType.F32, info.shape().dims());
        } catch (OutOfMemoryError e) {
            throw new CheckpointException(Reason.UNREADABLE, info.file(), "tensor " + info.name() + " takes "
                    + 4 * info.shape().elements() + " bytes of memory outside the Java heap, which the process does"
                    + " not get; free memory or raise the limit of the process", e);
        }
    }

    /** Compares a tensor in the file with one in memory, bit by bit. */
    private boolean equal(TensorInfo stored, MemorySegment loaded) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment buffer = arena.allocate(Math.min(COMPARE_BYTES, loaded.byteSize()), Float.BYTES);
            for (long done = 0; done < loaded.byteSize(); done += COMPARE_BYTES) {
                MemorySegment part = buffer.asSlice(0, Math.min(COMPARE_BYTES, loaded.byteSize() - done));
                checkpoint.readF32(stored, done / Float.BYTES, part);
                if (part.mismatch(loaded.asSlice(done, part.byteSize())) >= 0) {
                    return false;
                }
            }
        }
        return true;
    }

    private Gpt2Weights assemble(Map<String, Tensor> tensors) {
        List<Gpt2Weights.Block> blocks = new ArrayList<>();
        for (int layer = 0; layer < config.layers(); layer++) {
            String block = "h." + layer + ".";
            blocks.add(new Gpt2Weights.Block(norm(tensors, block + "ln_1"), linear(tensors, block + "attn.c_attn"),
                    linear(tensors, block + "attn.c_proj"), norm(tensors, block + "ln_2"),
                    linear(tensors, block + "mlp.c_fc"), linear(tensors, block + "mlp.c_proj")));
        }
        return new Gpt2Weights(tensors.get(EMBEDDING), tensors.get("wpe.weight"), List.copyOf(blocks),
                norm(tensors, "ln_f"), new Linear(tensors.get(HEAD), Layout.OUT_IN, null));
    }

    private LayerNorm norm(Map<String, Tensor> tensors, String name) {
        return new LayerNorm(tensors.get(name + ".weight"), tensors.get(name + ".bias"), config.epsilon());
    }

    private static Linear linear(Map<String, Tensor> tensors, String name) {
        return new Linear(tensors.get(name + ".weight"), Layout.IN_OUT, tensors.get(name + ".bias"));
    }
}
