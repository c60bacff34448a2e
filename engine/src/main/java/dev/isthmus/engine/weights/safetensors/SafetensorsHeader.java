package dev.isthmus.engine.weights.safetensors;

import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.CheckpointException.Reason;
import dev.isthmus.engine.files.Quote;
import dev.isthmus.engine.files.StrictJson;
import dev.isthmus.engine.files.TextFile;
import dev.isthmus.engine.files.Utf8;
import dev.isthmus.engine.files.WrongContent;
import dev.isthmus.engine.tensor.Shape;
import dev.isthmus.engine.weights.Pickle;
import dev.isthmus.engine.weights.TensorInfo;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Map;

/**
 * The header of a safetensors file: 8 bytes of length, then JSON that names each tensor's type, shape and place.
 * Any bytes give either a consistent header or a {@link CheckpointException}, in memory and time bounded by the
 * header's size.
 *
 * <p>The checks, their order and their kinds of error are those of {@code SafeTensors::read_metadata} and
 * {@code Metadata::validate} in the Rust library's {@code tensor.rs} (0.8). What differs on purpose: a tensor name
 * that appears twice is refused; so is an empty tensor with dimensions whose product, before the zero, is above
 * 2^63 - 1; and a sum of sizes that wraps around 64 bits is never taken for a small one.
 *
 * @param tensors the tensors, in the order of their places
 * @param metadata the file's {@code __metadata__}; empty if it has none
 * @param dataBegin the position of the first byte after the header
 */
public record SafetensorsHeader(List<TensorInfo> tensors, Map<String, String> metadata, long dataBegin) {

    /** The longest header that is read, as in the Rust library. */
    static final int MAX_HEADER_BYTES = TextFile.MAX_BYTES;

    private static final int LENGTH_BYTES = 8;
    private static final String DAMAGED =
            "; the file is damaged, incompletely downloaded or no safetensors file: fetch it again";

    /** Makes the parts unmodifiable. */
    public SafetensorsHeader {
        tensors = List.copyOf(tensors);
        metadata = Collections.unmodifiableMap(metadata);
    }

    /**
     * Reads and checks the header.
     *
     * @param channel the whole file; its position is moved
     * @param file what messages and {@link TensorInfo#file} call it
     * @throws CheckpointException if the file is not a valid safetensors file
     * @throws IOException if the channel cannot be read
     */
    public static SafetensorsHeader parse(SeekableByteChannel channel, Path file) throws IOException {
        long fileBytes = channel.size();
        if (fileBytes < LENGTH_BYTES) {
            throw refuse(Reason.HEADER_TOO_SMALL, file, "expected at least 8 bytes, found " + fileBytes);
        }
        channel.position(0);
        WrongContent.require(readFully(channel, (int) Math.min(WrongContent.BYTES, fileBytes), file), file);
        channel.position(0);
        long length = readFully(channel, LENGTH_BYTES, file).order(ByteOrder.LITTLE_ENDIAN).getLong();
        if (Long.compareUnsigned(length, MAX_HEADER_BYTES) > 0) {
            if (Pickle.begins(length)) {
                throw new CheckpointException(Reason.HEADER_TOO_LARGE, file, Pickle.REFUSAL);
            }
            throw refuse(Reason.HEADER_TOO_LARGE, file, "expected a header of at most " + MAX_HEADER_BYTES
                    + " bytes, found a stated length of " + Long.toUnsignedString(length));
        }
        long dataBegin = LENGTH_BYTES + length;
        if (dataBegin > fileBytes) {
            throw refuse(Reason.INVALID_HEADER_LENGTH, file, "the header should end at byte " + dataBegin
                    + ", but the file ends at byte " + fileBytes);
        }
        byte[] text = readFully(channel, (int) length, file).array();
        checkUtf8(text, file);
        HeaderJson json;
        try {
            json = HeaderJson.parse(text);
        } catch (StrictJson.Fault e) {
            throw new CheckpointException(Reason.INVALID_HEADER_DESERIALIZATION, file,
                    "the header is not the JSON of a safetensors file: " + e.getMessage() + DAMAGED, e);
        }
        if (json.duplicate() != null) {
            throw refuse(Reason.DUPLICATE_KEY, file, "tensor " + Quote.of(json.duplicate())
                    + " appears twice in the header");
        }
        return new SafetensorsHeader(place(json, dataBegin, fileBytes, file), json.metadata(), dataBegin);
    }

    private static ByteBuffer readFully(SeekableByteChannel channel, int count, Path file) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocate(count);
        while (buffer.hasRemaining()) {
            if (channel.read(buffer) < 0) {
                throw refuse(Reason.INVALID_HEADER_LENGTH, file, "the file became shorter while its header was read");
            }
        }
        return buffer.flip();
    }

    private static void checkUtf8(byte[] text, Path file) {
        int fault = Utf8.firstFault(text);
        if (fault >= 0) {
            throw refuse(Reason.INVALID_HEADER, file, "the header is not UTF-8 at its byte " + fault);
        }
    }

    private static List<TensorInfo> place(HeaderJson json, long dataBegin, long fileBytes, Path file) {
        List<HeaderJson.Entry> entries = new ArrayList<>(json.entries());
        entries.sort(Comparator.comparing(HeaderJson.Entry::begin, Long::compareUnsigned)
                .thenComparing(HeaderJson.Entry::end, Long::compareUnsigned));
        long next = 0;
        for (HeaderJson.Entry entry : entries) {
            checkPlace(entry, next, file);
            next = entry.end();
        }
        long dataBytes = fileBytes - dataBegin;
        if (next != dataBytes) {
            throw refuse(Reason.METADATA_INCOMPLETE_BUFFER, file, "expected " + Long.toUnsignedString(next)
                    + " bytes of tensors after the header, found " + dataBytes);
        }
        List<TensorInfo> tensors = new ArrayList<>(entries.size());
        for (HeaderJson.Entry entry : entries) {
            tensors.add(new TensorInfo(entry.name(), entry.type(), shape(entry, file), file,
                    dataBegin + entry.begin(), dataBegin + entry.end(), false));
        }
        return tensors;
    }

    private static void checkPlace(HeaderJson.Entry entry, long next, Path file) {
        long begin = entry.begin();
        long end = entry.end();
        if (begin != next || Long.compareUnsigned(end, begin) < 0) {
            throw refuse(Reason.INVALID_OFFSET, file, about(entry) + ": expected bytes from "
                    + Long.toUnsignedString(next) + " on, found " + Long.toUnsignedString(begin) + " to "
                    + Long.toUnsignedString(end) + " (tensors must follow each other without gap or overlap)");
        }
        long bits = 1;
        for (long dim : entry.dims()) {
            bits = multiply(bits, dim, entry, file);
        }
        bits = multiply(bits, entry.type().bits(), entry, file);
        if ((bits & 7) != 0) {
            throw refuse(Reason.MISALIGNED_SLICE, file, about(entry) + " takes " + Long.toUnsignedString(bits)
                    + " bits, which is not a whole number of bytes");
        }
        if (bits >>> 3 != end - begin) {
            throw refuse(Reason.TENSOR_INVALID_INFO, file, about(entry) + ": expected "
                    + Long.toUnsignedString(bits >>> 3) + " bytes, found " + Long.toUnsignedString(end - begin));
        }
    }

    private static long multiply(long a, long b, HeaderJson.Entry entry, Path file) {
        if (Math.unsignedMultiplyHigh(a, b) != 0) {
            throw refuse(Reason.VALIDATION_OVERFLOW, file, about(entry)
                    + ": the number of its elements or bits is beyond 2^64 - 1");
        }
        return a * b;
    }

    private static Shape shape(HeaderJson.Entry entry, Path file) {
        try {
            return new Shape(entry.dims());
        } catch (IllegalArgumentException | ArithmeticException e) {
            throw refuse(Reason.VALIDATION_OVERFLOW, file, about(entry)
                    + ": the product of its dimensions is beyond 2^63 - 1");
        }
    }

    private static String about(HeaderJson.Entry entry) {
        StringBuilder dims = new StringBuilder("[");
        Arrays.stream(entry.dims()).limit(8)
                .forEach(dim -> dims.append(dims.length() > 1 ? ", " : "").append(Long.toUnsignedString(dim)));
        return "tensor " + Quote.of(entry.name()) + ", " + entry.type() + " " + dims
                + (entry.dims().length > 8 ? ", …]" : "]");
    }

    private static CheckpointException refuse(Reason reason, Path file, String detail) {
        return new CheckpointException(reason, file, detail + DAMAGED);
    }
}
