package dev.isthmus.engine.kernels.cuda;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.isthmus.bindings.DeviceMemory;
import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.kernels.RowBatch;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * A batch's arrays on the device, and what attention needs besides. They lie in one piece at addresses that stay, until
 * a batch has more of something than any before, and are copied there as one.
 */
final class DeviceBatch implements RowBatch.Mirror {

    /** {@code ATTENTION_TILE} of kernels.h. */
    static final int TILE_ROWS = 64;

    /** What a dimension of a grid may have. */
    private static final int MOST_DECODING_ROWS = 65535;

    private final CudaContext context;
    private final RowBatch batch;
    private long copied = -1;
    private int generation;
    private int rowCapacity;
    private int sequenceCapacity;
    private int blockCapacity;
    private int tileCapacity;
    private int tiles;
    private boolean decoding;

    private long bytes;
    private MemorySegment device;
    private MemorySegment blocks;
    private MemorySegment blockStart;
    private MemorySegment tileRows;
    private MemorySegment tokens;
    private MemorySegment positions;
    private MemorySegment sequences;

    private DeviceBatch(CudaContext context, RowBatch batch) {
        this.context = context;
        this.batch = batch;
    }

    /** The copy of a batch as it is now. */
    static DeviceBatch of(CudaContext context, RowBatch batch) {
        DeviceBatch mirror = batch.mirror() instanceof DeviceBatch mine && mine.context == context ? mine
                : new DeviceBatch(context, batch);
        batch.attach(mirror);
        if (mirror.copied != batch.changes()) {
            mirror.copy();
            mirror.copied = batch.changes();
        }
        return mirror;
    }

    private void copy() {
        decoding = batch.sequenceCount() == batch.rows() && batch.rows() <= MOST_DECODING_ROWS;
        List<int[]> cut = decoding ? List.of() : cut();
        tiles = cut.size();
        reserve();
        context.upload(bytes, device.address(), staging -> write(cut, staging));
    }

    private void write(List<int[]> cut, MemorySegment staging) {
        MemorySegment.copy(batch.blocks(), 0, staging, offset(blocks), batch.blockCount() * JAVA_LONG.byteSize());
        MemorySegment.copy(batch.blockStart(), 0, staging, offset(blockStart),
                batch.sequenceCount() * JAVA_LONG.byteSize());
        long rowBytes = batch.rows() * JAVA_INT.byteSize();
        MemorySegment.copy(batch.tokens(), 0, staging, offset(tokens), rowBytes);
        MemorySegment.copy(batch.positions(), 0, staging, offset(positions), rowBytes);
        MemorySegment.copy(batch.sequences(), 0, staging, offset(sequences), rowBytes);
        for (int i = 0; i < tiles; i++) {
            MemorySegment.copy(cut.get(i), 0, staging, JAVA_INT, offset(tileRows) + 2L * i * JAVA_INT.byteSize(), 2);
        }
    }

    /** The rows of each sequence in tiles (first row, rows), the latest positions first, which take longest. */
    private List<int[]> cut() {
        List<int[]> cut = new ArrayList<>();
        for (int s = 0; s < batch.sequenceCount(); s++) {
            for (int row = batch.firstRow(s); row < batch.endRow(s); row += TILE_ROWS) {
                cut.add(new int[] {row, Math.min(TILE_ROWS, batch.endRow(s) - row)});
            }
        }
        cut.sort(Comparator.comparingInt(tile -> -batch.position(tile[0])));
        return cut;
    }

    private void reserve() {
        if (batch.rows() <= rowCapacity && batch.sequenceCount() <= sequenceCapacity
                && batch.blockCount() <= blockCapacity && tiles <= tileCapacity) {
            return;
        }
        rowCapacity = Math.max(rowCapacity, batch.rows());
        sequenceCapacity = Math.max(sequenceCapacity, batch.sequenceCount());
        tileCapacity = Math.max(tileCapacity, tiles);
        // As many blocks as the sequences can come to have, so that a text may grow without moving anything.
        int most = Math.ceilDiv(batch.cache(0).context(), KvCache.BLOCK_POSITIONS) * sequenceCapacity;
        blockCapacity = Math.max(Math.max(blockCapacity, most), batch.blockCount());
        long words = blockCapacity + sequenceCapacity + tileCapacity;
        bytes = words * JAVA_LONG.byteSize() + 3L * rowCapacity * JAVA_INT.byteSize();
        Arena arena = batch.arena();
        device = context.allocate(arena, bytes);
        blocks = part(arena, 0);
        blockStart = part(arena, blockCapacity * JAVA_LONG.byteSize());
        tileRows = part(arena, (blockCapacity + sequenceCapacity) * JAVA_LONG.byteSize());
        tokens = part(arena, words * JAVA_LONG.byteSize());
        positions = part(arena, offset(tokens) + rowCapacity * JAVA_INT.byteSize());
        sequences = part(arena, offset(positions) + rowCapacity * JAVA_INT.byteSize());
        generation++;
    }

    private MemorySegment part(Arena arena, long offset) {
        return DeviceMemory.part(device.address() + offset, arena);
    }

    private long offset(MemorySegment part) {
        return part.address() - device.address();
    }

    /** Counts how often the arrays moved. */
    int generation() {
        return generation;
    }

    /** Whether each row is of a sequence of its own. */
    boolean decoding() {
        return decoding;
    }

    /** The number of tiles; 0 while decoding. */
    int tiles() {
        return tiles;
    }

    /** int32 [tiles - first, 2]: the first row and the rows of each tile from {@code first} on. */
    MemorySegment tileRows(int first) {
        return DeviceMemory.behind(tileRows, 2L * first * JAVA_INT.byteSize());
    }

    /** int32 [T]. */
    MemorySegment tokens() {
        return tokens;
    }

    /** int32 [T]. */
    MemorySegment positions() {
        return positions;
    }

    /** int32 [T]. */
    MemorySegment sequences() {
        return sequences;
    }

    /** uint64: the addresses of all sequences' cache blocks. */
    MemorySegment blocks() {
        return blocks;
    }

    /** int64: where each sequence's blocks begin in {@link #blocks}. */
    MemorySegment blockStart() {
        return blockStart;
    }
}
