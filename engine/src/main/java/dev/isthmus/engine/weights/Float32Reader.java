package dev.isthmus.engine.weights;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Reads elements as F32. F32 goes from the file straight into the destination. The other types pass through a bounded
 * buffer. F16 and BF16 widen exactly: every value of theirs is an F32 value; Q8_0 is dequantized as ggml's
 * {@code dequantize_row_q8_0} does, by one F32 product.
 */
final class Float32Reader {

    /** Elements that are converted at a time: source and result stay in a core's own cache. */
    private static final int CHUNK = 1 << 14;

    private static final int BLOCK = StoredType.Q8_0_BLOCK;
    private static final int BLOCK_BYTES = Short.BYTES + BLOCK;

    private static final ValueLayout.OfShort HALVES = ValueLayout.JAVA_SHORT_UNALIGNED;
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
            case Q8_0 -> dequantize(file, tensor.begin(), first, into);
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
    private static void dequantize(TensorFile file, long begin, long first, MemorySegment into) {
        long count = into.byteSize() / Float.BYTES;
        long end = first + count;
        long firstBlock = first / BLOCK;
        long blocks = Math.ceilDiv(end, BLOCK) - firstBlock;
        int most = (int) Math.min(CHUNK / BLOCK, blocks);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment stored = arena.allocate((long) most * BLOCK_BYTES, Long.BYTES);
            byte[] quants = new byte[BLOCK];
            float[] floats = new float[CHUNK];
            for (long block = firstBlock; block < firstBlock + blocks; block += most) {
                int n = (int) Math.min(most, firstBlock + blocks - block);
                file.read(begin + block * BLOCK_BYTES, stored.asSlice(0, (long) n * BLOCK_BYTES));
                for (int b = 0; b < n; b++) {
                    float scale = Float.float16ToFloat(stored.get(HALVES, (long) b * BLOCK_BYTES));
                    MemorySegment.copy(stored, ValueLayout.JAVA_BYTE, (long) b * BLOCK_BYTES + Short.BYTES, quants, 0,
                            BLOCK);
                    for (int i = 0; i < BLOCK; i++) {
                        floats[b * BLOCK + i] = scale * quants[i];
                    }
                }
                long from = Math.max(first, block * BLOCK);
                long to = Math.min(end, (block + n) * BLOCK);
                MemorySegment.copy(floats, (int) (from - block * BLOCK), into, FLOATS, (from - first) * Float.BYTES,
                        (int) (to - from));
            }
        }
    }
}
