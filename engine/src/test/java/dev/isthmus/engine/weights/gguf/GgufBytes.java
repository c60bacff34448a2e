package dev.isthmus.engine.weights.gguf;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/** Puts GGUF files together byte by byte, right ones and wrong ones. */
public final class GgufBytes {

    private static final int ALIGNMENT = 32;

    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final ByteArrayOutputStream keys = new ByteArrayOutputStream();
    private final ByteArrayOutputStream tensors = new ByteArrayOutputStream();
    private final ByteArrayOutputStream data = new ByteArrayOutputStream();
    private long keyCount;
    private long tensorCount;

    /** The magic, a version and two counts. */
    static byte[] start(int version, long tensors, long keys) {
        return ByteBuffer.allocate(24).order(ByteOrder.LITTLE_ENDIAN).putInt(0x46554747).putInt(version)
                .putLong(tensors).putLong(keys).array();
    }

    static byte[] u32(long value) {
        return ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt((int) value).array();
    }

    static byte[] u64(long value) {
        return ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(value).array();
    }

    static byte[] string(String text) {
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        return join(u64(utf8.length), utf8);
    }

    static byte[] join(byte[]... parts) {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        for (byte[] part : parts) {
            all.writeBytes(part);
        }
        return all.toByteArray();
    }

    /** Adds a key with a value of the given type number. */
    public GgufBytes key(String name, int type, byte[] value) {
        keys.writeBytes(join(string(name), u32(type), value));
        keyCount++;
        return this;
    }

    /** Adds a string. */
    public GgufBytes text(String name, String value) {
        return key(name, 8, string(value));
    }

    /** Adds an unsigned 32-bit integer. */
    public GgufBytes whole(String name, long value) {
        return key(name, 4, u32(value));
    }

    /** Adds a 32-bit floating point number. */
    public GgufBytes real(String name, float value) {
        return key(name, 6, u32(Float.floatToRawIntBits(value)));
    }

    /** Adds an array of strings. */
    public GgufBytes texts(String name, String... values) {
        byte[] array = join(u32(8), u64(values.length));
        for (String value : values) {
            array = join(array, string(value));
        }
        return key(name, 9, array);
    }

    /** Adds an array of signed 32-bit integers. */
    public GgufBytes wholes(String name, int... values) {
        byte[] array = join(u32(5), u64(values.length));
        for (int value : values) {
            array = join(array, u32(value));
        }
        return key(name, 9, array);
    }

    /** Adds a tensor where it belongs. */
    public GgufBytes tensor(String name, int type, byte[] content, long... dimsInnermostFirst) {
        return tensorAt(data.size(), name, type, content, dimsInnermostFirst);
    }

    /** Adds a tensor with any offset in the header. */
    GgufBytes tensorAt(long offset, String name, int type, byte[] content, long... dimsInnermostFirst) {
        tensors.writeBytes(join(string(name), u32(dimsInnermostFirst.length)));
        for (long dim : dimsInnermostFirst) {
            tensors.writeBytes(u64(dim));
        }
        tensors.writeBytes(join(u32(type), u64(offset)));
        tensorCount++;
        data.writeBytes(content);
        pad(data);
        return this;
    }

    private static void pad(ByteArrayOutputStream bytes) {
        while (bytes.size() % ALIGNMENT != 0) {
            bytes.write(0);
        }
    }

    /** The file. */
    public byte[] bytes() {
        out.reset();
        out.writeBytes(start(3, tensorCount, keyCount));
        out.writeBytes(keys.toByteArray());
        out.writeBytes(tensors.toByteArray());
        pad(out);
        out.writeBytes(data.toByteArray());
        return out.toByteArray();
    }
}
