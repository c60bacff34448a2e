package dev.isthmus.engine.kernels;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.isthmus.engine.cache.KvCache;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The unit of work: T rows, each a token at a position of a sequence. Reading a prompt is many rows of one sequence,
 * decoding is one row, and decoding several texts together is one row of each. The rows of a sequence are adjacent, in
 * the order of their positions, after what its cache already holds.
 *
 * <p>The arrays lie off-heap so that kernels can take them as they are; the object is reused from step to step. Not
 * safe for use by several threads at once, but its contents may be read by all while a step runs.
 */
public final class RowBatch {

    private final Arena arena;
    private final List<KvCache> caches = new ArrayList<>();
    private int rows;
    private int[] firstRows = new int[1];
    private MemorySegment tokens;
    private MemorySegment positions;
    private MemorySegment sequences;
    private MemorySegment blocks;
    private MemorySegment blockStart;
    private int blockCount;
    private long changes;
    private Mirror mirror;

    /** A backend's form of a batch, such as a copy of its arrays in a device's memory. */
    public interface Mirror {}

    /** An empty batch whose memory comes from {@code arena}; that must allow access from all threads. */
    public RowBatch(Arena arena) {
        this.arena = arena;
        tokens = arena.allocate(JAVA_INT, 1);
        positions = arena.allocate(JAVA_INT, 1);
        sequences = arena.allocate(JAVA_INT, 1);
        blocks = arena.allocate(JAVA_LONG, 1);
        blockStart = arena.allocate(JAVA_LONG, 1);
    }

    /** Removes all rows. */
    public void clear() {
        changes++;
        rows = 0;
        blockCount = 0;
        caches.clear();
    }

    /**
     * Adds a sequence: the tokens ids[from, to) after what {@code cache} holds. A cache may be added once.
     *
     * @throws dev.isthmus.engine.errors.ContextFullException if they do not fit into the cache's context
     */
    public void add(KvCache cache, int[] ids, int from, int to) {
        if (from >= to || caches.contains(cache)) {
            throw new IllegalArgumentException("a sequence takes part in a batch once, with at least one row");
        }
        changes++;
        int count = to - from;
        cache.reserve(count);
        int sequence = caches.size();
        caches.add(cache);
        grow(rows + count, sequence + 1, blockCount + cache.blockCount());
        firstRows[sequence] = rows;
        for (int i = 0; i < count; i++) {
            tokens.setAtIndex(JAVA_INT, rows + i, ids[from + i]);
            positions.setAtIndex(JAVA_INT, rows + i, cache.length() + i);
            sequences.setAtIndex(JAVA_INT, rows + i, sequence);
        }
        rows += count;
        blockStart.setAtIndex(JAVA_LONG, sequence, blockCount);
        for (int i = 0; i < cache.blockCount(); i++) {
            blocks.setAtIndex(JAVA_LONG, blockCount++, cache.block(i).data().address());
        }
    }

    private void grow(int rowCount, int sequenceCount, int blocksNeeded) {
        tokens = grown(tokens, rowCount, JAVA_INT.byteSize());
        positions = grown(positions, rowCount, JAVA_INT.byteSize());
        sequences = grown(sequences, rowCount, JAVA_INT.byteSize());
        blocks = grown(blocks, blocksNeeded, JAVA_LONG.byteSize());
        blockStart = grown(blockStart, sequenceCount, JAVA_LONG.byteSize());
        if (firstRows.length < sequenceCount) {
            firstRows = Arrays.copyOf(firstRows, 2 * sequenceCount);
        }
    }

    private MemorySegment grown(MemorySegment segment, long elements, long elementBytes) {
        if (segment.byteSize() >= elements * elementBytes) {
            return segment;
        }
        MemorySegment larger = arena.allocate(2 * elements * elementBytes, Long.BYTES);
        MemorySegment.copy(segment, 0, larger, 0, segment.byteSize());
        return larger;
    }

    /** Takes the rows, whose keys and values have been written, as part of their caches. */
    public void commit() {
        for (int s = 0; s < caches.size(); s++) {
            caches.get(s).advance(endRow(s) - firstRows[s]);
        }
    }

    /** T, the number of rows. */
    public int rows() {
        return rows;
    }

    /** The number of sequences. */
    public int sequenceCount() {
        return caches.size();
    }

    /** The first row of sequence {@code s}. */
    public int firstRow(int s) {
        return firstRows[s];
    }

    /** One more than the last row of sequence {@code s}. */
    public int endRow(int s) {
        return s + 1 < caches.size() ? firstRows[s + 1] : rows;
    }

    /** The last row of each sequence: those whose logits predict the next tokens. */
    public int[] lastRows() {
        int[] last = new int[caches.size()];
        for (int s = 0; s < last.length; s++) {
            last[s] = endRow(s) - 1;
        }
        return last;
    }

    /** All rows. */
    public int[] allRows() {
        int[] all = new int[rows];
        Arrays.setAll(all, t -> t);
        return all;
    }

    /** Row {@code t}'s token. */
    public int token(int t) {
        return tokens.getAtIndex(JAVA_INT, t);
    }

    /** Row {@code t}'s position in its sequence. */
    public int position(int t) {
        return positions.getAtIndex(JAVA_INT, t);
    }

    /** Row {@code t}'s sequence. */
    public int sequence(int t) {
        return sequences.getAtIndex(JAVA_INT, t);
    }

    /** The cache of sequence {@code s}. */
    public KvCache cache(int s) {
        return caches.get(s);
    }

    /** The arena that the memory comes from. */
    public Arena arena() {
        return arena;
    }

    /** Counts the changes to the rows, so that a mirror can tell whether it is stale. */
    public long changes() {
        return changes;
    }

    /** The mirror attached last; null if none was. */
    public Mirror mirror() {
        return mirror;
    }

    /** Attaches a backend's mirror in place of the last one. */
    public void attach(Mirror backends) {
        mirror = backends;
    }

    /** The number of cache blocks of all sequences. */
    public int blockCount() {
        return blockCount;
    }

    /** int32 [T]: the tokens. */
    public MemorySegment tokens() {
        return tokens;
    }

    /** int32 [T]: the positions. */
    public MemorySegment positions() {
        return positions;
    }

    /** int32 [T]: the sequences. */
    public MemorySegment sequences() {
        return sequences;
    }

    /** uint64: the addresses of all sequences' cache blocks, one sequence after another. */
    public MemorySegment blocks() {
        return blocks;
    }

    /** int64: where each sequence's blocks begin in {@link #blocks}. */
    public MemorySegment blockStart() {
        return blockStart;
    }
}
