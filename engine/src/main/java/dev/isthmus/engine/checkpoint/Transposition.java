package dev.isthmus.engine.checkpoint;

import dev.isthmus.engine.weights.TensorInfo;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Reads a matrix [rows, columns] whose columns lie one after another in the file, in row-major order. */
final class Transposition {

    /** Elements that are turned around at a time: they stay in a core's own cache. */
    private static final int TILE = 1 << 16;

    // As integers, so that no NaN is changed on the way.
    private static final ValueLayout.OfInt BITS = ValueLayout.JAVA_INT_UNALIGNED;

    private Transposition() {}

    /**
     * Fills {@code into} with elements as F32.
     *
     * @param file where they lie
     * @param tensor a transposed matrix of a type that {@link StoredType#readsAsF32}
     * @param first the index of the first element in row-major order
     * @param into off-heap; 4 bytes an element
     */
    static void read(TensorFile file, TensorInfo tensor, long first, MemorySegment into) {
        long end = first + into.byteSize() / Float.BYTES;
        if (first == end) {
            return;
        }
        long columns = tensor.shape().dim(1);
        long firstRow = first / columns;
        long endRow = Math.ceilDiv(end, columns);
        int height = (int) Math.min(TILE, endRow - firstRow);
        int width = (int) Math.min(TILE / height, columns);
        int[] turned = new int[width];
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment tile = arena.allocate((long) height * width * Float.BYTES, Float.BYTES);
            for (long row = firstRow; row < endRow; row += height) {
                int h = (int) Math.min(height, endRow - row);
                for (long column = 0; column < columns; column += width) {
                    int w = (int) Math.min(width, columns - column);
                    readTile(file, tensor, row, h, column, w, tile);
                    int[] stored = tile.asSlice(0, (long) h * w * Float.BYTES).toArray(BITS);
                    for (int r = 0; r < h; r++) {
                        for (int c = 0; c < w; c++) {
                            turned[c] = stored[c * h + r];
                        }
                        long at = (row + r) * columns + column;
                        long from = Math.max(first, at);
                        long to = Math.min(end, at + w);
                        if (from < to) {
                            MemorySegment.copy(turned, (int) (from - at), into, BITS, (from - first) * Float.BYTES,
                                    (int) (to - from));
                        }
                    }
                }
            }
        }
    }

    /** Reads {@code h} rows of {@code w} columns, column after column. */
    private static void readTile(TensorFile file, TensorInfo tensor, long row, int h, long column, int w,
            MemorySegment tile) {
        long rows = tensor.shape().dim(0);
        if (h == rows) {
            Float32Reader.read(file, tensor, column * rows, tile.asSlice(0, (long) h * w * Float.BYTES));
            return;
        }
        for (int c = 0; c < w; c++) {
            Float32Reader.read(file, tensor, (column + c) * rows + row,
                    tile.asSlice((long) c * h * Float.BYTES, (long) h * Float.BYTES));
        }
    }
}
