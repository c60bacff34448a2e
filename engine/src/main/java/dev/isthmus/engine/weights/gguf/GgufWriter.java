package dev.isthmus.engine.weights.gguf;

import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.files.NewFile;
import dev.isthmus.engine.files.Quote;
import dev.isthmus.engine.weights.TensorSource;
import java.io.ByteArrayOutputStream;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Writes GGUF files: version 3, little-endian, aligned to 32 bytes, as llama.cpp's {@code ggml/src/gguf.cpp} reads
 * them. Tensors come in the order given.
 */
public final class GgufWriter {

    private static final int VERSION = 3;
    private static final int ALIGNMENT = 32;

    // Numbers of enum gguf_type.
    private static final int U32 = 4;
    private static final int I32 = 5;
    private static final int F32 = 6;
    private static final int BOOL = 7;
    private static final int STRING = 8;
    private static final int ARRAY = 9;

    private final ByteArrayOutputStream header = new ByteArrayOutputStream();

    private GgufWriter() {}

    /**
     * The name in GGUF of a weight of GPT-2.
     *
     * @param name transformers' name, without prefix
     * @throws IllegalArgumentException if no GPT-2 model has such a weight
     */
    public static String name(String name) {
        return GgufNames.inGguf(name);
    }

    /**
     * Writes a file. It appears under its name when it is complete, and replaces a file of that name.
     *
     * @param file where to write; its directory must exist
     * @param metadata the keys in the order to write; a {@link GgufValue.Whole} is written with 32 bits and without sign,
     *     a {@link GgufValue.Real} with 32 bits
     * @param tensors the tensors, each name once, of a type that GGUF files have
     * @throws IllegalArgumentException if a value, a type or a name cannot be written
     * @throws CheckpointException if the file cannot be written; none is left behind then
     */
    public static void write(Path file, Map<String, GgufValue> metadata, List<? extends TensorSource> tensors) {
        byte[] header = new GgufWriter().header(metadata, tensors);
        NewFile.write(file, out -> {
            out.write(header);
            for (TensorSource tensor : tensors) {
                tensor.appendTo(out);
                out.write(new byte[padding(out.position())]);
            }
        });
    }

    private byte[] header(Map<String, GgufValue> metadata, List<? extends TensorSource> tensors) {
        u32(GgufVersion.MAGIC);
        u32(VERSION);
        u64(tensors.size());
        u64(metadata.size());
        metadata.forEach((key, value) -> {
            string(key);
            value(key, value);
        });
        Set<String> names = new HashSet<>();
        long offset = 0;
        for (TensorSource tensor : tensors) {
            if (!names.add(tensor.name())) {
                throw new IllegalArgumentException("tensor " + Quote.of(tensor.name()) + " is given twice");
            }
            string(tensor.name());
            u32(tensor.shape().rank());
            for (int i = tensor.shape().rank() - 1; i >= 0; i--) {
                u64(tensor.shape().dim(i));
            }
            u32(GgmlTypes.number(tensor.type()));
            u64(offset);
            offset += tensor.bytes() + padding(tensor.bytes());
        }
        header.writeBytes(new byte[padding(header.size())]);
        return header.toByteArray();
    }

    private void value(String key, GgufValue value) {
        switch (value) {
            case GgufValue.Whole(long number) when number >= 0 && number < 1L << 32 -> {
                u32(U32);
                u32((int) number);
            }
            case GgufValue.Real(double number) -> {
                u32(F32);
                u32(Float.floatToIntBits((float) number));
            }
            case GgufValue.Truth(boolean truth) -> {
                u32(BOOL);
                header.write(truth ? 1 : 0);
            }
            case GgufValue.Text(String text) -> {
                u32(STRING);
                string(text);
            }
            case GgufValue.Texts texts -> {
                array(STRING, texts.count());
                header.writeBytes(texts.bytes().toArray(ValueLayout.JAVA_BYTE));
            }
            case GgufValue.Wholes wholes -> {
                array(I32, wholes.count());
                header.writeBytes(wholes.bytes().toArray(ValueLayout.JAVA_BYTE));
            }
            default -> throw new IllegalArgumentException("cannot write " + Quote.of(key) + ": " + value);
        }
    }

    private void array(int type, int count) {
        u32(ARRAY);
        u32(type);
        u64(count);
    }

    private void string(String text) {
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        u64(utf8.length);
        header.writeBytes(utf8);
    }

    private void u32(int value) {
        header.writeBytes(ByteBuffer.allocate(Integer.BYTES).order(ByteOrder.LITTLE_ENDIAN).putInt(value).array());
    }

    private void u64(long value) {
        header.writeBytes(ByteBuffer.allocate(Long.BYTES).order(ByteOrder.LITTLE_ENDIAN).putLong(value).array());
    }

    private static int padding(long size) {
        return (int) (-size & ALIGNMENT - 1);
    }
}
