package dev.isthmus.engine.checkpoint;

import dev.isthmus.engine.weights.StoredType;
import dev.isthmus.engine.weights.TensorInfo;
import dev.isthmus.engine.weights.gguf.GgmlBlocks;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Reads elements as F32. F32 goes from the file straight into the destination. The other types pass through a bounded
 * buffer. F16 and BF16 widen exactly: every value of theirs is an F32 value; ggml's block types are dequantized by
 * {@link GgmlBlocks}.
 */
final class Float32Reader {

    /** Elements that are converted at a time: source and result stay in a core's own cache. */
    private static final int CHUNK = 1 << 14;

    private static final int BLOCK = StoredType.GGML_BLOCK;

    private static final ValueLayout.OfInt BITS = ValueLayout.JAVA_INT_UNALIGNED;
    private static final ValueLayout.OfFloat FLOATS = ValueLayout.JAVA_FLOAT_UNALIGNED;

    private Float32Reader() {}

    /**
     * Fills {@code into} with elements in the order of the file.
     *
     * @param file where they lie
     * @param tensor what they belong to, of a type that {@link StoredType#readsAsF32}
     * @param first the index of the first one
     * @param into off-heap; 4 bytes an element
     */
    static void read(TensorFile file, TensorInfo tensor, long first, MemorySegment into) {
        switch (tensor.type()) {
            case F32 -> file.read(tensor.begin() + first * Float.BYTES, into);
            case Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 -> dequantize(file, tensor, first, into);
            default -> widen(file, tensor.type(), tensor.begin() + first * Short.BYTES, into);
        }
    }

    private static void widen(TensorFile file, StoredType type, long position, MemorySegment into) {
        long count = into.byteSize() / Float.BYTES;
        int chunk = (int) Math.min(CHUNK, count);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment stored = arena.allocate((long) Short.BYTES * chunk, Long.BYTES);
            short[] halves = new short[chunk];
            // Arrays in the inner loops: they are what the JIT turns into vector instructions.
            float[] floats = type == StoredType.F16 ? new float[chunk] : null;
            int[] bits = type == StoredType.BF16 ? new int[chunk] : null;
            for (long done = 0; done < count; done += CHUNK) {
                int n = (int) Math.min(CHUNK, count - done);
                file.read(position + done * Short.BYTES, stored.asSlice(0, (long) n * Short.BYTES));
                MemorySegment.copy(stored, ValueLayout.JAVA_SHORT, 0, halves, 0, n);
                if (type == StoredType.F16) {
                    widenF16(halves, floats, n);
                    MemorySegment.copy(floats, 0, into, FLOATS, done * Float.BYTES, n);
                } else {
                    widenBf16(halves, bits, n);
                    MemorySegment.copy(bits, 0, into, BITS, done * Float.BYTES, n);
                }
            }
        }
    }

    static void widenF16(short[] from, float[] to, int count) {
        for (int i = 0; i < count; i++) {
            to[i] = Float.float16ToFloat(from[i]);
        }
    }

    /** BF16 is the upper half of an F32, whose bits these are; as integers, so that no NaN is changed on the way. */
    static void widenBf16(short[] from, int[] to, int count) {
        for (int i = 0; i < count; i++) {
            to[i] = from[i] << 16;
        }
    }

    /** The first and the last element may lie in the midst of a block. */
    private static void dequantize(TensorFile file, TensorInfo tensor, long first, MemorySegment into) {
        int blockBytes = tensor.type().bits() / Byte.SIZE;
        long end = first + into.byteSize() / Float.BYTES;
        long firstBlock = first / BLOCK;
        long endBlock = Math.ceilDiv(end, BLOCK);
        int most = (int) Math.min(CHUNK / BLOCK, endBlock - firstBlock);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment stored = arena.allocate((long) most * blockBytes, Long.BYTES);
            byte[] bytes = new byte[most * blockBytes];
            float[] floats = new float[CHUNK];
            for (long block = firstBlock; block < endBlock; block += most) {
                int n = (int) Math.min(most, endBlock - block);
                file.read(tensor.begin() + block * blockBytes, stored.asSlice(0, (long) n * blockBytes));
                MemorySegment.copy(stored, ValueLayout.JAVA_BYTE, 0, bytes, 0, n * blockBytes);
                GgmlBlocks.dequantize(tensor.type(), bytes, n, floats);
                long from = Math.max(first, block * BLOCK);
                long to = Math.min(end, (block + n) * BLOCK);
                MemorySegment.copy(floats, (int) (from - block * BLOCK), into, FLOATS, (from - first) * Float.BYTES,
                        (int) (to - from));
            }
        }
    }
}
