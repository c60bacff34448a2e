package dev.isthmus.engine.weights;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Reads elements as F32. F32 goes from the file straight into the destination. F16 and BF16 pass through a bounded
 * buffer and widen exactly: every value of theirs is an F32 value.
 */
final class Float32Reader {

    /** Elements that are converted at a time: source and result stay in a core's own cache. */
    private static final int CHUNK = 1 << 14;

    private static final ValueLayout.OfInt BITS = ValueLayout.JAVA_INT_UNALIGNED;
    private static final ValueLayout.OfFloat FLOATS = ValueLayout.JAVA_FLOAT_UNALIGNED;

    private Float32Reader() {}

    /** True if elements of this type can be read. */
    static boolean reads(StoredType type) {
        return type == StoredType.F32 || type == StoredType.F16 || type == StoredType.BF16;
    }

    /**
     * Fills {@code into} with elements.
     *
     * @param file where they lie
     * @param type one that {@link #reads} accepts
     * @param position of the first one's first byte
     * @param into off-heap; 4 bytes an element
     */
    static void read(TensorFile file, StoredType type, long position, MemorySegment into) {
        if (type == StoredType.F32) {
            file.read(position, into);
            return;
        }
        long count = into.byteSize() / Float.BYTES;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment stored = arena.allocate((long) Short.BYTES * CHUNK, Long.BYTES);
            short[] halves = new short[CHUNK];
            // Arrays in the inner loops: they are what the JIT turns into vector instructions.
            float[] floats = type == StoredType.F16 ? new float[CHUNK] : null;
            int[] bits = type == StoredType.BF16 ? new int[CHUNK] : null;
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
}
