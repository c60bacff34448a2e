package dev.isthmus.engine.convert;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.isthmus.engine.checkpoint.Checkpoint;
import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.errors.BackendException;
import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.CheckpointException.Reason;
import dev.isthmus.engine.errors.UnsupportedModelException;
import dev.isthmus.engine.files.ByteSink;
import dev.isthmus.engine.kernels.Layout;
import dev.isthmus.engine.kernels.PackedMatrix;
import dev.isthmus.engine.kernels.WeightMemory;
import dev.isthmus.engine.model.Gpt2Tensors;
import dev.isthmus.engine.model.ScaleRange;
import dev.isthmus.engine.model.WeightPieces;
import dev.isthmus.engine.tensor.Shape;
import dev.isthmus.engine.tensor.Tensor;
import dev.isthmus.engine.weights.StoredType;
import dev.isthmus.engine.weights.TensorInfo;
import dev.isthmus.engine.weights.gguf.GgufWriter;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.BiFunction;

/**
 * A GPT-2 checkpoint's weights in another type. The matrices change, and are rounded as {@link Gpt2Loader} rounds them
 * for a model of that type, so that such a model computes the same bits from the converted file. All other weights
 * become F32, as the model keeps them. Tensors that the model does not use are left out, and so is an output matrix that
 * is a copy of the embedding. At most one layer's matrix, or a packed embedding, is in memory at a time.
 */
public final class Gpt2Conversion {

    /** Numbers that are read at a time where order allows: 4 MB. */
    private static final int READ = 1 << 20;

    /** Numbers that are encoded at a time, in a core's own cache. */
    private static final int CHUNK = 1 << 13;

    private final Checkpoint checkpoint;
    private final Gpt2Tensors tensors;
    private final List<String> names;

    /**
     * Looks the weights up.
     *
     * @param checkpoint where they are; it must stay open until the last one is written
     * @throws CheckpointException as {@link Gpt2Loader#load}, or if its matrices are packed already
     */
    public Gpt2Conversion(Checkpoint checkpoint, Gpt2Config config) {
        this.checkpoint = checkpoint;
        this.tensors = new Gpt2Tensors(checkpoint, config);
        if (!tensors.faults().isEmpty()) {
            throw tensors.faults().getFirst();
        }
        for (TensorInfo tensor : tensors.found().values()) {
            tensors.packedType(tensor).ifPresent(type -> {
                throw new CheckpointException(Reason.WRONG_TYPE, tensor.file(), "its matrices are"
                        + " packed as " + type.name().toLowerCase(Locale.ROOT) + " already; convert the model that it"
                        + " was made from");
            });
        }
        boolean dropHead = config.tiedHead() && tensors.headIsEmbedding();
        this.names = tensors.found().keySet().stream().filter(name -> !(dropHead && name.equals(Gpt2Tensors.HEAD)))
                .sorted(Comparator.comparingLong(name -> tensors.get(name).begin())).toList();
    }

    /**
     * The weights with matrices in a plain type, under the names and in the shapes of transformers.
     *
     * @param type F32, F16 or BF16
     */
    public List<ConvertedTensor> plain(StoredType type) {
        return all((name, info) -> new ConvertedTensor(info.name(), matrixType(name, type), info.shape(),
                plain(info, matrixType(name, type))));
    }

    /**
     * The weights with matrices packed: U8 [panels, bytes of a panel] in the form of {@link PackedMatrix}, for a file
     * whose metadata are {@link #packedMetadata}. A matrix whose weights are out of the range of the type's scales
     * stays F32, as a model of that type keeps it.
     *
     * @param memory what packs
     * @param threads how many threads may pack at a time
     * @throws BackendException if these kernels do not pack matrices
     */
    public List<ConvertedTensor> packed(WeightType type, WeightMemory memory, int threads) {
        if (!memory.packs()) {
            throw new BackendException("packing weights as " + type.name().toLowerCase(Locale.ROOT)
                    + " takes the C kernels, which are not available (isthmus info says why); choose f32, f16 or bf16");
        }
        return all((name, info) -> {
            if (!Gpt2Tensors.isMatrix(name) || type.isQuantized()
                    && !holds(name, info, ScaleRange.of(type), type.blockInputs())) {
                return new ConvertedTensor(info.name(), StoredType.F32, info.shape(), plain(info, StoredType.F32));
            }
            int inputs = tensors.inputs(name);
            int outputs = tensors.outputs(name);
            Shape shape = new Shape(Math.ceilDiv(outputs, PackedMatrix.PANEL), PackedMatrix.panelBytes(type, inputs));
            return new ConvertedTensor(info.name(), StoredType.U8, shape,
                    (out, error) -> pack(info, Gpt2Tensors.layout(name), type, inputs, outputs, memory, threads, out,
                            error));
        });
    }

    /** What the metadata of a file of {@link #packed} weights must say. */
    public static Map<String, String> packedMetadata(WeightType type) {
        return Map.of(Gpt2Tensors.PACKED_KEY, type.name().toLowerCase(Locale.ROOT));
    }

    /**
     * The weights for a GGUF file of architecture gpt2, in its names and shapes: matrices of linear layers are [out, in].
     * An output matrix is always among them, since some versions of llama.cpp ask for it even where it is
     * the embedding.
     *
     * @param type F32, F16 or Q8_0; a matrix whose weights are out of the range of Q8_0's scales is F32
     * @throws UnsupportedModelException if rows are not whole blocks of Q8_0
     */
    public List<ConvertedTensor> gguf(StoredType type) {
        List<ConvertedTensor> weights = all((name, info) -> gguf(name, info, type));
        for (String each : List.of(Gpt2Tensors.HEAD, Gpt2Tensors.EMBEDDING)) {
            if (!names.contains(each)) {
                String other = each.equals(Gpt2Tensors.HEAD) ? Gpt2Tensors.EMBEDDING : Gpt2Tensors.HEAD;
                weights.add(gguf(each, tensors.get(other), type));
            }
        }
        return weights;
    }

    private ConvertedTensor gguf(String name, TensorInfo info, StoredType type) {
        String other = GgufWriter.name(name);
        StoredType wanted = matrixType(name, type);
        StoredType stored = wanted == StoredType.Q8_0 && !holds(name, info, ScaleRange.ofQ8(), WeightEncoder.BLOCK)
                ? StoredType.F32 : wanted;
        if (!Gpt2Tensors.isMatrix(name)) {
            return new ConvertedTensor(other, stored, info.shape(), plain(info, stored));
        }
        if (wanted == StoredType.Q8_0 && tensors.inputs(name) % WeightEncoder.BLOCK != 0) {
            throw new UnsupportedModelException("tensor " + name + ": rows of " + tensors.inputs(name)
                    + " numbers are no whole blocks of " + WeightEncoder.BLOCK + ", as Q8_0 has them; choose f16");
        }
        return Gpt2Tensors.layout(name) == Layout.OUT_IN
                ? new ConvertedTensor(other, stored, info.shape(), plain(info, stored))
                : new ConvertedTensor(other, stored, info.shape().transposed(), turned(info, stored));
    }

    /** Whether the scales of a matrix's blocks are within a range. */
    private boolean holds(String name, TensorInfo info, ScaleRange range, int blockInputs) {
        boolean inOut = Gpt2Tensors.layout(name) == Layout.IN_OUT;
        int rows = (int) info.shape().dim(0);
        int columns = (int) info.shape().dim(1);
        int step = info.transposed() ? rows : Math.max(1, READ / columns / blockInputs) * blockInputs;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment buffer = arena.allocate(JAVA_FLOAT, (long) Math.min(step, rows) * columns);
            for (int row = 0; row < rows; row += step) {
                int count = Math.min(step, rows - row);
                MemorySegment part = buffer.asSlice(0, (long) count * columns * Float.BYTES);
                checkpoint.readF32(info, (long) row * columns, part);
                if (!range.holds(new ScaleRange.Weights(Gpt2Tensors.layout(name), part, inOut ? count : columns,
                        inOut ? columns : count))) {
                    return false;
                }
            }
        }
        return true;
    }

    private List<ConvertedTensor> all(BiFunction<String, TensorInfo, ConvertedTensor> conversion) {
        List<ConvertedTensor> converted = new ArrayList<>();
        names.forEach(name -> converted.add(conversion.apply(name, tensors.get(name))));
        return converted;
    }

    private static StoredType matrixType(String name, StoredType type) {
        return Gpt2Tensors.isMatrix(name) ? type : StoredType.F32;
    }

    private ConvertedTensor.Contents plain(TensorInfo info, StoredType type) {
        return (out, error) -> {
            long elements = info.shape().elements();
            long step = info.transposed() ? elements : Math.min(READ, elements);
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment numbers = arena.allocate(JAVA_FLOAT, step);
                for (long first = 0; first < elements; first += step) {
                    MemorySegment part = numbers.asSlice(0, Math.min(step, elements - first) * Float.BYTES);
                    checkpoint.readF32(info, first, part);
                    encode(type, part, out, error);
                }
            }
        };
    }

    /** A matrix [in, out] as [out, in]. */
    private ConvertedTensor.Contents turned(TensorInfo info, StoredType type) {
        return (out, error) -> {
            int inputs = (int) info.shape().dim(0);
            int outputs = (int) info.shape().dim(1);
            int step = Math.max(1, READ / inputs);
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment matrix = arena.allocate(JAVA_FLOAT, info.shape().elements());
                checkpoint.readF32(info, 0, matrix);
                MemorySegment rows = arena.allocate(JAVA_FLOAT, (long) step * inputs);
                for (int n0 = 0; n0 < outputs; n0 += step) {
                    int count = Math.min(step, outputs - n0);
                    for (int k = 0; k < inputs; k++) {
                        for (int n = 0; n < count; n++) {
                            rows.setAtIndex(JAVA_FLOAT, (long) n * inputs + k,
                                    matrix.getAtIndex(JAVA_FLOAT, (long) k * outputs + n0 + n));
                        }
                    }
                    encode(type, rows.asSlice(0, (long) count * inputs * Float.BYTES), out, error);
                }
            }
        };
    }

    private static void encode(StoredType type, MemorySegment numbers, ByteSink out, RoundingError error)
            throws IOException {
        long elements = numbers.byteSize() / Float.BYTES;
        float[] rounded = new float[CHUNK];
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment bytes = arena.allocate(type.bytes(CHUNK));
            for (long first = 0; first < elements; first += CHUNK) {
                int count = (int) Math.min(CHUNK, elements - first);
                MemorySegment.copy(numbers, JAVA_FLOAT, first * Float.BYTES, rounded, 0, count);
                WeightEncoder.encode(type, rounded, count, bytes);
                for (int i = 0; i < count; i++) {
                    error.add(numbers.getAtIndex(JAVA_FLOAT, first + i), rounded[i]);
                }
                out.write(bytes.asSlice(0, type.bytes(count)));
            }
        }
    }

    private void pack(TensorInfo info, Layout layout, WeightType type, int inputs, int outputs, WeightMemory memory,
            int threads, ByteSink out, RoundingError error) throws IOException {
        try (Arena arena = Arena.ofShared()) {
            PackedMatrix matrix = (PackedMatrix) memory.matrix(type, layout, inputs, outputs,
                    arena.allocate(memory.matrixBytes(type, inputs, outputs), Tensor.ALIGNMENT));
            List<WeightPieces.Piece> pieces = WeightPieces.of(info, layout, matrix, memory.packsWholeRows());
            new WeightPieces(checkpoint, memory, pieces, (done, total) -> { }).read(threads);
            // Summed up in the order of the pieces, so that the threads do not show in the result.
            RoundingError[] errors = new RoundingError[pieces.size()];
            List<Runnable> tasks = new ArrayList<>();
            for (int i = 0; i < errors.length; i++) {
                int at = i;
                tasks.add(() -> errors[at] = error((WeightPieces.Part) pieces.get(at), matrix));
            }
            WeightPieces.runAll(tasks, threads);
            for (RoundingError each : errors) {
                error.add(each);
            }
            out.write(matrix.data());
        }
    }

    private RoundingError error(WeightPieces.Part part, PackedMatrix matrix) {
        RoundingError error = new RoundingError();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment weights = arena.allocate(part.bufferBytes(), Float.BYTES);
            checkpoint.readF32(part.info(), part.first(), weights);
            boolean inOut = part.layout() == Layout.IN_OUT;
            int columns = inOut ? part.n1() - part.n0() : part.k1() - part.k0();
            for (int k = part.k0(); k < part.k1(); k++) {
                for (int n = part.n0(); n < part.n1(); n++) {
                    long index = inOut ? (long) (k - part.k0()) * columns + n - part.n0()
                            : (long) (n - part.n0()) * columns + k - part.k0();
                    error.add(weights.get(JAVA_FLOAT_UNALIGNED, index * Float.BYTES), matrix.weight(k, n));
                }
            }
        }
        return error;
    }
}
