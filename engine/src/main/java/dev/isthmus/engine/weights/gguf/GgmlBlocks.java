package dev.isthmus.engine.weights.gguf;

import dev.isthmus.engine.weights.StoredType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Dequantizes ggml's block types in float32, by the same products and sums as {@code dequantize_row_*} of llama.cpp's
 * {@code ggml/src/ggml-quants.c}: scale × integer, plus the minimum where a type has one.
 */
public final class GgmlBlocks {

    private static final int BLOCK = StoredType.GGML_BLOCK;
    private static final int HALF = BLOCK / 2;

    private GgmlBlocks() {}

    /**
     * Dequantizes the first blocks of an array.
     *
     * @param type one of ggml's block types
     * @param blocks at least {@code count} blocks
     * @param values takes 32 elements of each block
     */
    public static void dequantize(StoredType type, byte[] blocks, int count, float[] values) {
        int blockBytes = type.bits() / Byte.SIZE;
        int[] integers = new int[BLOCK];
        ByteBuffer words = ByteBuffer.wrap(blocks).order(ByteOrder.LITTLE_ENDIAN);
        for (int block = 0; block < count; block++) {
            int at = block * blockBytes;
            int to = block * BLOCK;
            float scale = half(words, at);
            switch (type) {
                case Q4_0 -> {
                    unpack(blocks, at + 2, 0, integers);
                    multiply(integers, 8, scale, values, to);
                }
                case Q4_1 -> {
                    unpack(blocks, at + 4, 0, integers);
                    multiplyAdd(integers, scale, half(words, at + 2), values, to);
                }
                case Q5_0 -> {
                    unpack(blocks, at + 6, words.getInt(at + 2), integers);
                    multiply(integers, 16, scale, values, to);
                }
                case Q5_1 -> {
                    unpack(blocks, at + 8, words.getInt(at + 4), integers);
                    multiplyAdd(integers, scale, half(words, at + 2), values, to);
                }
                case Q8_0 -> {
                    for (int i = 0; i < BLOCK; i++) {
                        values[to + i] = blocks[at + 2 + i] * scale;
                    }
                }
                default -> throw new IllegalArgumentException(type + " is no type of ggml's blocks");
            }
        }
    }

    private static float half(ByteBuffer bytes, int at) {
        return Float.float16ToFloat(bytes.getShort(at));
    }

    /**
     * Unpacks the integers of a block: byte i holds the four lower bits of elements i and i + 16.
     *
     * @param fifths bit i is the fifth bit of element i
     */
    private static void unpack(byte[] bytes, int at, int fifths, int[] integers) {
        for (int i = 0; i < HALF; i++) {
            int both = bytes[at + i];
            integers[i] = both & 15 | (fifths >>> i & 1) << 4;
            integers[i + HALF] = both >> 4 & 15 | (fifths >>> i + HALF & 1) << 4;
        }
    }

    private static void multiply(int[] integers, int zero, float scale, float[] values, int to) {
        for (int i = 0; i < BLOCK; i++) {
            values[to + i] = (integers[i] - zero) * scale;
        }
    }

    private static void multiplyAdd(int[] integers, float scale, float minimum, float[] values, int to) {
        for (int i = 0; i < BLOCK; i++) {
            values[to + i] = integers[i] * scale + minimum;
        }
    }
}
