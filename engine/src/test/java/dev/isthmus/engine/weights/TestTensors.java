package dev.isthmus.engine.weights;

import dev.isthmus.engine.checkpoint.Checkpoint;
import dev.isthmus.engine.tensor.Shape;
import dev.isthmus.engine.weights.safetensors.SafetensorsWriter;
import dev.isthmus.engine.weights.safetensors.SafetensorsWriter.Entry;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** Makes tensors and checkpoint files for tests. */
public final class TestTensors {

    private TestTensors() {}

    /** A tensor to write with {@link SafetensorsWriter}. */
    public static Entry entry(String name, StoredType type, long[] shape, byte[] littleEndian) {
        return new Entry(name, type, new Shape(shape), MemorySegment.ofArray(littleEndian));
    }

    /** An F32 tensor. */
    public static Entry f32(String name, long[] shape, float... values) {
        ByteBuffer bytes = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(values);
        return entry(name, StoredType.F32, shape, bytes.array());
    }

    /** An F16 tensor of the nearest values. */
    public static Entry f16(String name, long[] shape, float... values) {
        ByteBuffer bytes = ByteBuffer.allocate(2 * values.length).order(ByteOrder.LITTLE_ENDIAN);
        for (float value : values) {
            bytes.putShort(Float.floatToFloat16(value));
        }
        return entry(name, StoredType.F16, shape, bytes.array());
    }

    /** A BF16 tensor of the values cut off to 8 bits. */
    public static Entry bf16(String name, long[] shape, float... values) {
        ByteBuffer bytes = ByteBuffer.allocate(2 * values.length).order(ByteOrder.LITTLE_ENDIAN);
        for (float value : values) {
            bytes.putShort((short) (Float.floatToRawIntBits(value) >>> 16));
        }
        return entry(name, StoredType.BF16, shape, bytes.array());
    }

    /** The bytes of a file with this header, right or wrong, and these data. */
    public static byte[] file(byte[] header, byte[] data) {
        return ByteBuffer.allocate(8 + header.length + data.length).order(ByteOrder.LITTLE_ENDIAN)
                .putLong(header.length).put(header).put(data).array();
    }

    /** The bytes of a file with this header and {@code dataBytes} zeros. */
    public static byte[] file(String header, int dataBytes) {
        return file(header.getBytes(StandardCharsets.UTF_8), new byte[dataBytes]);
    }

    /** Writes an unsharded checkpoint. */
    public static Path write(Path directory, List<Entry> entries) throws IOException {
        Files.createDirectories(directory);
        Path file = directory.resolve(Checkpoint.SINGLE_FILE);
        SafetensorsWriter.write(file, Map.of("format", "pt"), entries);
        return file;
    }
}
