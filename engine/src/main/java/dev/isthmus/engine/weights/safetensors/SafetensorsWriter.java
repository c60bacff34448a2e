package dev.isthmus.engine.weights.safetensors;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.files.ByteSink;
import dev.isthmus.engine.files.NewFile;
import dev.isthmus.engine.files.Quote;
import dev.isthmus.engine.tensor.Shape;
import dev.isthmus.engine.weights.StoredType;
import dev.isthmus.engine.weights.TensorSource;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Writes safetensors files. The tensors are ordered as the Rust library orders them, by falling alignment and then
 * by name, and the header is padded with spaces to a multiple of 8 bytes, so that every tensor is aligned to its
 * elements.
 */
public final class SafetensorsWriter {

    private static final Comparator<TensorSource> ORDER =
            Comparator.comparing(TensorSource::type).reversed().thenComparing(TensorSource::name);

    private SafetensorsWriter() {}

    /**
     * A tensor in memory.
     *
     * @param name its name, which must be valid Unicode
     * @param type the element type
     * @param shape the dimensions
     * @param data the elements in row-major order and little-endian, on or off the heap
     */
    public record Entry(String name, StoredType type, Shape shape, MemorySegment data)
            implements TensorSource {

        /**
         * Checks the size.
         *
         * @throws IllegalArgumentException if {@code data} is not as long as type and shape ask for, the type is
         *     none of safetensors, or the name is {@code __metadata__}
         */
        public Entry {
            if (!type.inSafetensors()) {
                throw new IllegalArgumentException("safetensors has no element type " + type);
            }
            long bits = Math.multiplyExact(shape.elements(), (long) type.bits());
            if (bits % 8 != 0 || data.byteSize() != bits / 8) {
                throw new IllegalArgumentException("tensor " + Quote.of(name) + ", " + type + " " + shape + ", takes "
                        + bits + " bits, found " + data.byteSize() + " bytes of data");
            }
            if (name.equals("__metadata__")) {
                throw new IllegalArgumentException("a tensor cannot be called __metadata__");
            }
        }

        @Override
        public void writeTo(ByteSink out) throws IOException {
            out.write(data);
        }
    }

    /**
     * Writes a file. It appears under its name when it is complete, and replaces a file of that name.
     *
     * @param file where to write; its directory must exist
     * @param metadata the file's {@code __metadata__}; none is written if this is empty
     * @param tensors the tensors, each name once; each is asked for its bytes when its place has come
     * @throws IllegalArgumentException if a name appears twice or is not valid Unicode, or safetensors has no such
     *     element type
     * @throws CheckpointException if the file cannot be written; none is left behind then
     */
    public static void write(Path file, Map<String, String> metadata, List<? extends TensorSource> tensors) {
        write(file, metadata, tensors, Long.BYTES);
    }

    /**
     * As {@link #write(Path, Map, List)}, with tensors that begin at a multiple of so many bytes, where those before them
     * are multiples too: for what is used where it lies in the file.
     *
     * @param alignment a multiple of 8
     */
    public static void write(Path file, Map<String, String> metadata, List<? extends TensorSource> tensors,
            long alignment) {
        TensorSource[] sorted = tensors.toArray(TensorSource[]::new);
        Arrays.sort(sorted, ORDER);
        byte[] header = header(metadata, sorted, alignment);
        NewFile.write(file, out -> {
            out.write(ByteBuffer.allocate(Long.BYTES).order(ByteOrder.LITTLE_ENDIAN).putLong(header.length).array());
            out.write(header);
            for (TensorSource tensor : sorted) {
                tensor.appendTo(out);
            }
        });
    }

    private static byte[] header(Map<String, String> metadata, TensorSource[] tensors, long alignment) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        Set<String> names = new HashSet<>();
        try (JsonGenerator json = new JsonFactory().createGenerator(bytes)) {
            json.writeStartObject();
            if (!metadata.isEmpty()) {
                json.writeObjectFieldStart("__metadata__");
                for (Map.Entry<String, String> each : metadata.entrySet()) {
                    json.writeStringField(unicode(each.getKey()), unicode(each.getValue()));
                }
                json.writeEndObject();
            }
            long offset = 0;
            for (TensorSource tensor : tensors) {
                if (!tensor.type().inSafetensors()) {
                    throw new IllegalArgumentException("safetensors has no element type " + tensor.type());
                }
                if (!names.add(tensor.name())) {
                    throw new IllegalArgumentException("tensor " + Quote.of(tensor.name()) + " is given twice");
                }
                long end = Math.addExact(offset, tensor.bytes());
                json.writeObjectFieldStart(unicode(tensor.name()));
                json.writeStringField("dtype", tensor.type().name());
                json.writeFieldName("shape");
                json.writeArray(tensor.shape().dims(), 0, tensor.shape().rank());
                json.writeFieldName("data_offsets");
                json.writeArray(new long[] {offset, end}, 0, 2);
                json.writeEndObject();
                offset = end;
            }
            json.writeEndObject();
        } catch (IOException e) {
            throw new UncheckedIOException("writing to memory", e);
        }
        while ((Long.BYTES + bytes.size()) % alignment != 0) {
            bytes.write(' ');
        }
        if (bytes.size() > SafetensorsHeader.MAX_HEADER_BYTES) {
            throw new IllegalArgumentException("the header would take " + bytes.size() + " bytes, more than the "
                    + SafetensorsHeader.MAX_HEADER_BYTES + " that readers accept");
        }
        return bytes.toByteArray();
    }

    private static String unicode(String text) {
        if (!StandardCharsets.UTF_8.newEncoder().canEncode(text)) {
            throw new IllegalArgumentException("an unpaired surrogate in " + Quote.of(text));
        }
        return text;
    }
}
