package dev.isthmus.engine.model;

import dev.isthmus.engine.checkpoint.Checkpoint;
import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.CheckpointException.Reason;
import dev.isthmus.engine.kernels.Layout;
import dev.isthmus.engine.kernels.PackedMatrix;
import dev.isthmus.engine.tensor.Shape;
import dev.isthmus.engine.weights.StoredType;
import dev.isthmus.engine.weights.TensorInfo;
import dev.isthmus.engine.weights.gguf.GgufHeader;
import dev.isthmus.engine.weights.gguf.GgufWriter;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * Which tensors of a checkpoint are a GPT-2 model's weights, found by name and checked against the configuration. A
 * file whose {@code __metadata__} has {@code isthmus.weights}, a {@link WeightType}'s name in lower case, holds its
 * matrices packed: bytes [panels, bytes of a panel] in the form of {@link PackedMatrix}.
 */
public final class Gpt2Tensors {

    /** The output matrix. */
    public static final String HEAD = "lm_head.weight";

    /** The token embedding. */
    public static final String EMBEDDING = "wte.weight";

    /** The key in a file's metadata that says what type its packed matrices have. */
    public static final String PACKED_KEY = "isthmus.weights";

    /** A wrong config.json can ask for more tensors than anyone wants to read about. */
    static final int MOST_FAULTS = 200;

    private static final long COMPARE_BYTES = 1 << 22;

    private static final String PREFIX = "transformer.";

    private final Checkpoint checkpoint;
    private final Gpt2Config config;
    private final Map<String, TensorInfo> found = new LinkedHashMap<>();
    private final List<CheckpointException> faults = new ArrayList<>();

    /** Looks all of them up. */
    public Gpt2Tensors(Checkpoint checkpoint, Gpt2Config config) {
        this.checkpoint = checkpoint;
        this.config = config;
        findAll();
    }

    /** Those that are missing, and those of another shape or type than expected; no more than it takes to see why. */
    public List<CheckpointException> faults() {
        return faults;
    }

    /** The tensors by their names without prefix. */
    public Map<String, TensorInfo> found() {
        return found;
    }

    /** The tensor of a name that {@link #found} has. */
    public TensorInfo get(String name) {
        return found.get(name);
    }

    /** Whether the checkpoint has an optional tensor. */
    boolean has(String name) {
        return found.containsKey(name);
    }

    /** The type that a tensor's file says its packed matrices have; empty for a matrix that is not packed. */
    public Optional<WeightType> packedType(TensorInfo tensor) {
        String named = checkpoint.metadata(tensor.file()).get(PACKED_KEY);
        if (named == null || tensor.type() != StoredType.U8) {
            return Optional.empty();
        }
        for (WeightType type : WeightType.values()) {
            if (type.name().toLowerCase(Locale.ROOT).equals(named)) {
                return Optional.of(type);
            }
        }
        throw new CheckpointException(Reason.WRONG_TYPE, tensor.file(), "__metadata__: expected " + PACKED_KEY
                + " to be f32, f16, bf16, int8 or q4, found '" + named + "'; convert the model again");
    }

    /** Whether a weight is a matrix, of a linear layer or of tokens; all other weights stay F32 in memory. */
    public static boolean isMatrix(String name) {
        return name.equals(EMBEDDING) || name.equals(HEAD) || name.endsWith(".c_attn.weight")
                || name.endsWith(".c_proj.weight") || name.endsWith(".c_fc.weight");
    }

    /** How a matrix lies in a file: Conv1D's are [in, out]. */
    public static Layout layout(String name) {
        return name.startsWith("h.") ? Layout.IN_OUT : Layout.OUT_IN;
    }

    /** The inputs of a matrix, K. */
    public int inputs(String name) {
        return name.endsWith("mlp.c_proj.weight") ? config.inner() : config.channels();
    }

    /** The outputs of a matrix, N. */
    public int outputs(String name) {
        if (!name.startsWith("h.")) {
            return config.vocabulary();
        }
        return name.endsWith(".c_attn.weight") ? 3 * config.channels()
                : name.endsWith(".c_fc.weight") ? config.inner() : config.channels();
    }

    /** Whether the output matrix is stored as a copy of the token embedding. */
    public boolean headIsEmbedding() {
        if (!has(HEAD) || !has(EMBEDDING)) {
            return false;
        }
        TensorInfo head = get(HEAD);
        TensorInfo embedding = get(EMBEDDING);
        if (head.type() != embedding.type() || !head.shape().equals(embedding.shape())) {
            return false;
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment one = arena.allocate(Math.min(COMPARE_BYTES, head.bytes()));
            MemorySegment other = arena.allocate(one.byteSize());
            for (long done = 0; done < head.bytes(); done += COMPARE_BYTES) {
                long count = Math.min(COMPARE_BYTES, head.bytes() - done);
                checkpoint.readBytes(head, done, one.asSlice(0, count));
                checkpoint.readBytes(embedding, done, other.asSlice(0, count));
                if (one.asSlice(0, count).mismatch(other.asSlice(0, count)) >= 0) {
                    return false;
                }
            }
        }
        return true;
    }

    private void findAll() {
        long c = config.channels();
        long inner = config.inner();
        boolean head = find(HEAD, c, config.vocabulary(), config.vocabulary(), c);
        boolean embedding = find(EMBEDDING, c, config.vocabulary(), config.vocabulary(), c);
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
            requireMatrix(block + "attn.c_attn.weight", c, 3 * c);
            require(block + "attn.c_attn.bias", 3 * c);
            requireMatrix(block + "attn.c_proj.weight", c, c);
            require(block + "attn.c_proj.bias", c);
            require(block + "ln_2.weight", c);
            require(block + "ln_2.bias", c);
            requireMatrix(block + "mlp.c_fc.weight", c, inner);
            require(block + "mlp.c_fc.bias", inner);
            requireMatrix(block + "mlp.c_proj.weight", inner, c);
            require(block + "mlp.c_proj.bias", c);
        }
        require("ln_f.weight", c);
        require("ln_f.bias", c);
    }

    private void require(String name, long... dims) {
        if (!find(name, 0, 0, dims)) {
            faults.add(missing(name, ""));
        }
    }

    private void requireMatrix(String name, long inputs, long outputs) {
        if (!find(name, inputs, outputs, inputs, outputs)) {
            faults.add(missing(name, ""));
        }
    }

    /** Looks a tensor up and checks it, a matrix's packed form by its inputs and outputs; false if it is not there. */
    private boolean find(String name, long inputs, long outputs, long... dims) {
        Optional<TensorInfo> plain = checkpoint.tensor(name);
        Optional<TensorInfo> prefixed = checkpoint.tensor(PREFIX + name);
        // The head's own name is the one without prefix.
        Optional<TensorInfo> tensor = name.equals(HEAD) ? plain.or(() -> prefixed) : prefixed.or(() -> plain);
        if (tensor.isEmpty()) {
            return false;
        }
        TensorInfo info = tensor.get();
        found.put(name, info);
        Optional<WeightType> packed = inputs > 0 ? packedType(info) : Optional.empty();
        Shape expected = packed.map(type -> new Shape(Math.ceilDiv(outputs, PackedMatrix.PANEL),
                PackedMatrix.panelBytes(type, (int) inputs))).orElseGet(() -> new Shape(dims));
        if (!info.shape().equals(expected)) {
            faults.add(new CheckpointException(Reason.WRONG_SHAPE, info.file(), "tensor " + info.name()
                    + ": expected shape " + expected + " by " + source() + ", found " + info.shape()
                    + "; take weights and configuration from the same model"));
        } else if (packed.isEmpty() && !info.type().readsAsF32()) {
            faults.add(new CheckpointException(Reason.WRONG_TYPE, info.file(), "tensor " + info.name()
                    + ": expected F32, F16 or BF16, found " + info.type() + "; save the model in one of these types"));
        }
        return true;
    }

    private CheckpointException missing(String name, String why) {
        for (String each : List.of(name, PREFIX + name)) {
            Optional<Path> shard = checkpoint.indexedShard(each);
            if (shard.isPresent()) {
                return new CheckpointException(Reason.INVALID_SHARD, shard.get(), "expected tensor " + each
                        + " here by " + Checkpoint.INDEX_FILE + ", found it nowhere; download the model again");
            }
        }
        Optional<String> prefix = ForeignPrefix.of(checkpoint, name);
        if (prefix.isPresent()) {
            return new CheckpointException(Reason.MISSING_TENSOR, checkpoint.path(), "expected tensor " + name + " or "
                    + PREFIX + name + ", found it as " + prefix.get() + name + "; " + ForeignPrefix.remedy(prefix.get()));
        }
        if (checkpoint.tensors().stream().anyMatch(tensor -> tensor.name().contains(".lora_"))) {
            return new CheckpointException(Reason.MISSING_TENSOR, checkpoint.path(), "expected tensor " + name + " or "
                    + PREFIX + name + ", found those of a LoRA adapter, which changes the weights of another model;"
                    + " merge it into that model from Python first, with PeftModel.from_pretrained(MODEL, DIR)"
                    + ".merge_and_unload().save_pretrained(NEW_DIR), and name NEW_DIR");
        }
        String expected = isGguf() ? GgufWriter.name(name) : name + " or " + PREFIX + name;
        return new CheckpointException(Reason.MISSING_TENSOR, checkpoint.path(), "expected tensor " + expected + " by "
                + source() + " (" + (isGguf() ? "gpt2.block_count " : "n_layer ") + config.layers() + "), found "
                + (isGguf() ? "it not" : "neither") + " among " + checkpoint.tensors().size() + " tensors" + why
                + (isGguf() ? "; convert the model again" : "; take weights and config.json from the same GPT-2 model"));
    }

    private boolean isGguf() {
        return GgufHeader.isGguf(checkpoint.path());
    }

    private String source() {
        return isGguf() ? "the file's metadata" : "config.json";
    }
}
