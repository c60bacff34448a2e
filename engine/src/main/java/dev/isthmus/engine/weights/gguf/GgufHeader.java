package dev.isthmus.engine.weights.gguf;

import dev.isthmus.engine.files.RegularFile;
import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.CheckpointException.Reason;
import dev.isthmus.engine.files.Quote;
import dev.isthmus.engine.tensor.Shape;
import dev.isthmus.engine.weights.StoredType;
import dev.isthmus.engine.weights.TensorInfo;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The header of a GGUF file: metadata and the place of each tensor. Any bytes give either a consistent header or a
 * {@link CheckpointException}, in memory and time bounded by the file's size.
 *
 * <p>The format and the checks are those of llama.cpp's {@code ggml/src/gguf.cpp} (versions 2 and 3, little-endian):
 * no key or tensor twice, no array of arrays, at most four dimensions, tensors that follow each other in the order of
 * the header, each padded to {@code general.alignment}. Element types are F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1 and
 * Q8_0; a file with any other is refused by the type's name.
 *
 * @param metadata the keys and their values in the order of the file
 * @param tensors the tensors under GGUF's names, with their shapes outermost dimension first, in the order of the file
 */
public record GgufHeader(Map<String, GgufValue> metadata, List<TensorInfo> tensors) {

    private static final String ALIGNMENT = "general.alignment";
    private static final int MAX_DIMS = 4;

    /** Makes the parts unmodifiable. */
    public GgufHeader {
        metadata = Collections.unmodifiableMap(metadata);
        tensors = List.copyOf(tensors);
    }

    /** Whether a path is to be read as a GGUF file: a file that begins as one, or whose name ends in .gguf. */
    public static boolean isGguf(Path path) {
        if (!Files.isRegularFile(path)) {
            return false;
        }
        if (path.toString().endsWith(".gguf")) {
            return true;
        }
        try (SeekableByteChannel channel = Files.newByteChannel(path)) {
            ByteBuffer magic = ByteBuffer.allocate(Integer.BYTES).order(ByteOrder.LITTLE_ENDIAN);
            return channel.read(magic) == Integer.BYTES && magic.getInt(0) == GgufVersion.MAGIC;
        } catch (IOException | SecurityException e) {
            // Whoever opens it next says why it cannot be read.
            return false;
        }
    }

    /**
     * Reads and checks the header of a file, or of all parts of a divided one: the metadata are the first part's, and
     * the tensors those of all.
     *
     * @param file the file, or any of the parts
     * @throws CheckpointException if the file is missing, unreadable or no GGUF file with these element types, or
     *     another part is not what it should be
     */
    public static GgufHeader read(Path file) {
        List<Path> parts = GgufParts.of(file);
        GgufHeader first = readPart(parts.getFirst());
        GgufParts.requireName(first, parts.getFirst());
        List<TensorInfo> tensors = new ArrayList<>(first.tensors());
        parts.stream().skip(1).forEach(part -> tensors.addAll(readPart(part).tensors()));
        return new GgufHeader(first.metadata(), tensors);
    }

    /** As {@link #read}, of this file alone. */
    static GgufHeader readPart(Path file) {
        RegularFile.require(file);
        try (SeekableByteChannel channel = Files.newByteChannel(file)) {
            return parse(channel, file);
        } catch (IOException | SecurityException e) {
            throw RegularFile.unreadable(file, e);
        }
    }

    /**
     * Reads and checks the header.
     *
     * @param channel the whole file; its position is moved
     * @param file what messages and {@link TensorInfo#file} call it
     * @throws CheckpointException if it is no GGUF file with these element types
     * @throws IOException if the channel cannot be read
     */
    public static GgufHeader parse(SeekableByteChannel channel, Path file) throws IOException {
        GgufInput in = new GgufInput(channel, file);
        GgufVersion.require(in);
        long tensorCount = in.u64();
        long keyCount = in.u64();
        Map<String, GgufValue> metadata = new LinkedHashMap<>();
        for (long i = 0; i != keyCount; i++) {
            String key = in.string("a key");
            if (metadata.put(key, value(in, key)) != null) {
                throw duplicate(file, "key " + Quote.of(key));
            }
        }
        return new GgufHeader(metadata, tensors(in, tensorCount, alignment(metadata, in), file));
    }

    /** The types of values, by the numbers of {@code enum gguf_type}. */
    private static GgufValue value(GgufInput in, String key) throws IOException {
        int type = in.u32();
        return switch (type) {
            case 8 -> new GgufValue.Text(in.string("the value of " + Quote.of(key)));
            case 9 -> array(in, key);
            default -> {
                byte[] bytes = new byte[Long.BYTES];
                int size = size(type, in, key);
                int begin = in.take(size);
                in.slice(begin, begin + size).asByteBuffer().get(bytes, 0, size);
                yield scalar(type, ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN));
            }
        };
    }

    private static GgufValue scalar(int type, ByteBuffer bytes) {
        return switch (type) {
            case 0 -> new GgufValue.Whole(bytes.get() & 0xFF);
            case 1 -> new GgufValue.Whole(bytes.get());
            case 2 -> new GgufValue.Whole(bytes.getShort() & 0xFFFF);
            case 3 -> new GgufValue.Whole(bytes.getShort());
            case 4 -> new GgufValue.Whole(Integer.toUnsignedLong(bytes.getInt()));
            case 5 -> new GgufValue.Whole(bytes.getInt());
            case 6 -> new GgufValue.Real(bytes.getFloat());
            case 7 -> new GgufValue.Truth(bytes.get() != 0);
            case 12 -> new GgufValue.Real(bytes.getDouble());
            default -> new GgufValue.Whole(bytes.getLong());
        };
    }

    private static int size(int type, GgufInput in, String key) {
        return switch (type) {
            case 0, 1, 7 -> 1;
            case 2, 3 -> 2;
            case 4, 5, 6 -> 4;
            case 10, 11, 12 -> 8;
            default -> throw in.malformed("the value of " + Quote.of(key) + " is of type "
                    + Integer.toUnsignedString(type) + ", which does not exist or cannot be in an array");
        };
    }

    private static GgufValue array(GgufInput in, String key) throws IOException {
        int type = in.u32();
        long count = in.u64();
        int elementBytes = type == 8 ? Long.BYTES : size(type, in, key);
        if (count < 0 || count > (in.fileBytes() - in.position()) / elementBytes || count > Integer.MAX_VALUE) {
            throw in.malformed("the array " + Quote.of(key) + " has " + Long.toUnsignedString(count)
                    + " elements, more than fit into the file");
        }
        int begin = in.position();
        if (type == 8) {
            for (long i = 0; i < count; i++) {
                in.skipString("an element of " + Quote.of(key));
            }
            return new GgufValue.Texts((int) count, in.slice(begin, in.position()));
        }
        in.take(count * elementBytes);
        return type == 5 || type == 4 ? new GgufValue.Wholes((int) count, in.slice(begin, in.position()))
                : new GgufValue.OtherArray((int) count);
    }

    private static long alignment(Map<String, GgufValue> metadata, GgufInput in) {
        return switch (metadata.get(ALIGNMENT)) {
            case null -> 32;
            case GgufValue.Whole(long value) when Long.bitCount(value) == 1 && value <= 1 << 30 && value > 0 -> value;
            case GgufValue other -> throw in.malformed("expected a power of two up to 2^30 for " + ALIGNMENT
                    + ", found " + other);
        };
    }

    private static List<TensorInfo> tensors(GgufInput in, long count, long alignment, Path file) throws IOException {
        record Entry(String name, StoredType type, Shape shape, long begin, long end) {}
        List<Entry> entries = new ArrayList<>();
        Set<String> names = new HashSet<>();
        long next = 0;
        for (long i = 0; i != count; i++) {
            String name = in.string("a tensor's name");
            if (!names.add(name)) {
                throw duplicate(file, "tensor " + Quote.of(name));
            }
            Shape shape = shape(in, name);
            StoredType type = type(in.u32(), name, file);
            long offset = in.u64();
            if (offset != next) {
                throw in.malformed("tensor " + Quote.of(name) + ": expected its data at offset " + next + ", found "
                        + Long.toUnsignedString(offset) + " (tensors must follow each other without gap or overlap)");
            }
            if (type.isBlocks() && (shape.rank() == 0
                    || shape.dim(shape.rank() - 1) % StoredType.GGML_BLOCK != 0)) {
                throw in.malformed("tensor " + Quote.of(name) + ", " + type + " " + shape
                        + ": expected rows of a multiple of " + StoredType.GGML_BLOCK + " elements");
            }
            // More than the file has can only be wrong, and the sum cannot overflow then.
            if (shape.elements() > in.fileBytes() || type.bytes(shape.elements()) > in.fileBytes() - next) {
                throw in.malformed("tensor " + Quote.of(name) + ", " + type + " " + shape
                        + ": its data would end beyond the end of the file at byte " + in.fileBytes());
            }
            long end = next + type.bytes(shape.elements());
            entries.add(new Entry(name, type, shape, next, end));
            next = padded(end, alignment);
        }
        long data = padded(in.position(), alignment);
        List<TensorInfo> tensors = new ArrayList<>(entries.size());
        for (Entry entry : entries) {
            if (data + entry.end() > in.fileBytes()) {
                throw in.malformed("tensor " + Quote.of(entry.name()) + " should end at byte " + (data + entry.end())
                        + ", but the file ends at byte " + in.fileBytes());
            }
            tensors.add(new TensorInfo(entry.name(), entry.type(), entry.shape(), file, data + entry.begin(),
                    data + entry.end(), false));
        }
        return tensors;
    }

    private static long padded(long size, long alignment) {
        return (size + alignment - 1) / alignment * alignment;
    }

    /** The dimensions, which GGUF lists innermost first. */
    private static Shape shape(GgufInput in, String name) throws IOException {
        int rank = in.u32();
        if (rank < 0 || rank > MAX_DIMS) {
            throw in.malformed("tensor " + Quote.of(name) + ": expected at most " + MAX_DIMS + " dimensions, found "
                    + Integer.toUnsignedString(rank));
        }
        long[] dims = new long[rank];
        for (int i = rank - 1; i >= 0; i--) {
            dims[i] = in.u64();
        }
        try {
            return new Shape(dims);
        } catch (IllegalArgumentException | ArithmeticException e) {
            throw in.malformed("tensor " + Quote.of(name) + ": the product of its dimensions is beyond 2^63 - 1");
        }
    }

    private static StoredType type(int number, String name, Path file) {
        return GgmlTypes.stored(number).orElseThrow(() -> new CheckpointException(Reason.WRONG_TYPE, file, "tensor "
                + Quote.of(name) + ": expected " + GgmlTypes.readable() + ", found " + GgmlTypes.name(number)
                + "; convert the model to one of these types, for instance with llama.cpp's llama-quantize,"
                + " which has to be allowed to requantize"));
    }

    private static CheckpointException duplicate(Path file, String what) {
        return new CheckpointException(Reason.DUPLICATE_KEY, file, what + " appears twice in the header");
    }
}
