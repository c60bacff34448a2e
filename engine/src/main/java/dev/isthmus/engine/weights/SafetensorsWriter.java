package dev.isthmus.engine.weights;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.CheckpointException.Reason;
import dev.isthmus.engine.tensor.Shape;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;

/**
 * Writes safetensors files. The tensors are ordered as the Rust library orders them, by falling alignment and then
 * by name, and the header is padded with spaces to a multiple of 8 bytes, so that every tensor is aligned.
 */
public final class SafetensorsWriter {

    private static final int CHUNK_BYTES = 1 << 20;

    private static final Comparator<Entry> ORDER =
            Comparator.comparing(Entry::type).reversed().thenComparing(Entry::name);

    private SafetensorsWriter() {}

    /**
     * A tensor to write.
     *
     * @param name its name, which must be valid Unicode
     * @param type the element type
     * @param shape the dimensions
     * @param data the elements in row-major order and little-endian, on or off the heap
     */
    public record Entry(String name, StoredType type, Shape shape, MemorySegment data) {

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
    }

    /**
     * Writes a file. It appears under its name when it is complete, and replaces a file of that name.
     *
     * @param file where to write; its directory must exist
     * @param metadata the file's {@code __metadata__}; none is written if this is empty
     * @param entries the tensors, each name once
     * @throws IllegalArgumentException if a name appears twice or is not valid Unicode
     * @throws CheckpointException if the file cannot be written; none is left behind then
     */
    public static void write(Path file, Map<String, String> metadata, List<Entry> entries) {
        Entry[] sorted = entries.toArray(Entry[]::new);
        Arrays.sort(sorted, ORDER);
        byte[] header = header(metadata, sorted);
        if (Files.exists(file) && !Files.isRegularFile(file)) {
            throw new CheckpointException(Reason.UNWRITABLE, file, "there is something other than a regular file under"
                    + " this name; choose another");
        }
        Path part = file.resolveSibling(file.getFileName() + "." + UUID.randomUUID() + ".part");
        try {
            try {
                try (WritableByteChannel out = Files.newByteChannel(part, StandardOpenOption.CREATE_NEW,
                        StandardOpenOption.WRITE)) {
                    writeFully(out, ByteBuffer.allocate(Long.BYTES).order(ByteOrder.LITTLE_ENDIAN)
                            .putLong(header.length).flip());
                    writeFully(out, ByteBuffer.wrap(header));
                    for (Entry entry : sorted) {
                        writeData(out, entry.data());
                    }
                }
                publish(part, file);
            } finally {
                Files.deleteIfExists(part);
            }
        } catch (IOException | SecurityException e) {
            throw new CheckpointException(Reason.UNWRITABLE, file, "cannot be written (" + e
                    + "); check the directory, its permissions and the space on its disk", e);
        }
    }

    private static void publish(Path part, Path file) throws IOException {
        try {
            Files.move(part, file, StandardCopyOption.ATOMIC_MOVE);
        } catch (AtomicMoveNotSupportedException e) {
            Files.move(part, file, StandardCopyOption.REPLACE_EXISTING);
        }
    }

    private static void writeData(WritableByteChannel out, MemorySegment data) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocateDirect((int) Math.min(CHUNK_BYTES, data.byteSize()));
        for (long done = 0; done < data.byteSize(); done += buffer.capacity()) {
            int count = (int) Math.min(buffer.capacity(), data.byteSize() - done);
            buffer.clear().limit(count);
            MemorySegment.ofBuffer(buffer).copyFrom(data.asSlice(done, count));
            writeFully(out, buffer);
        }
    }

    private static void writeFully(WritableByteChannel out, ByteBuffer buffer) throws IOException {
        while (buffer.hasRemaining()) {
            out.write(buffer);
        }
    }

    private static byte[] header(Map<String, String> metadata, Entry[] entries) {
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
            for (Entry entry : entries) {
                if (!names.add(entry.name())) {
                    throw new IllegalArgumentException("tensor " + Quote.of(entry.name()) + " is given twice");
                }
                long end = Math.addExact(offset, entry.data().byteSize());
                json.writeObjectFieldStart(unicode(entry.name()));
                json.writeStringField("dtype", entry.type().name());
                json.writeFieldName("shape");
                json.writeArray(entry.shape().dims(), 0, entry.shape().rank());
                json.writeFieldName("data_offsets");
                json.writeArray(new long[] {offset, end}, 0, 2);
                json.writeEndObject();
                offset = end;
            }
            json.writeEndObject();
        } catch (IOException e) {
            throw new UncheckedIOException("writing to memory", e);
        }
        while (bytes.size() % 8 != 0) {
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
