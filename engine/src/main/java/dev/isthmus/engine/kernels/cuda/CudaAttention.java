package dev.isthmus.engine.kernels.cuda;

import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.errors.UnsupportedModelException;
import dev.isthmus.engine.kernels.RowBatch;
import dev.isthmus.engine.tensor.DType;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Set;

/** Attention and what it reads, by our own kernels. Used by the thread that has entered the context. */
final class CudaAttention {

    /** {@code HEAD_SIZES} of kernels.h. */
    static final Set<Integer> HEAD_CHANNELS = Set.of(32, 64, 80, 96, 128);

    /** {@code ATTENTION_MOST_SPLITS} of kernels.h. */
    static final int MOST_SPLITS = 64;

    /** The thread blocks that each multiprocessor should get when positions are split. */
    private static final int BLOCKS_PER_MULTIPROCESSOR = 2;

    /** The largest second dimension of a grid. */
    private static final int MAX_GRID_Y = 65535;

    private final CudaContext context;
    private final CudaModule kernels;
    private final Workspace partial;

    CudaAttention(CudaContext context, CudaModule kernels) {
        this.context = context;
        this.kernels = kernels;
        partial = new Workspace(context);
    }

    /**
     * Checks that there are kernels for a model's heads.
     *
     * @throws UnsupportedModelException if not
     */
    static void requireHeads(int headChannels) {
        if (!HEAD_CHANNELS.contains(headChannels)) {
            throw new UnsupportedModelException("cuda: choosing attention kernels: expected heads of "
                    + HEAD_CHANNELS.stream().sorted().toList() + " channels, found " + headChannels
                    + "; use the CPU backend, which takes any");
        }
    }

    /** Writes the rows' keys and values to their caches, and their queries [T, C] to q unless that is null. */
    void append(Tensor qkv, RowBatch batch, int layer, Tensor q) {
        DeviceBatch rows = DeviceBatch.of(context, batch);
        KvCache cache = batch.cache(0);
        kernels.with(qkv).and(MemorySegment.NULL).and(q).and(rows.positions()).and(rows.sequences())
                .and(rows.blocks()).and(rows.blockStart()).and(layerOffset(cache, layer)).and(cache.heads())
                .and(cache.headChannels())
                .launch("append_kv_" + Types.suffix(qkv.dtype()), batch.rows(), Math.ceilDiv(qkv.dim(1), 1024), 1, 256);
    }

    /** out = attention of the queries q, which may be out; the rows' own keys and values are in the caches. */
    void attend(Tensor q, RowBatch batch, int layer, float scale, Tensor out) {
        DeviceBatch rows = DeviceBatch.of(context, batch);
        KvCache cache = batch.cache(0);
        requireHeads(cache.headChannels());
        if (rows.decoding()) {
            decode(q, rows, batch.rows(), cache, layer, scale, out);
        } else {
            prefill(q, rows, cache, layer, scale, out);
        }
    }

    private void prefill(Tensor q, DeviceBatch rows, KvCache cache, int layer, float scale, Tensor out) {
        DType type = q.dtype();
        for (int tile = 0; tile < rows.tiles(); tile += MAX_GRID_Y) {
            kernels.with(q).and(out).and(rows.tileRows(tile)).and(rows.positions()).and(rows.sequences())
                    .and(rows.blocks()).and(rows.blockStart()).and(layerOffset(cache, layer)).and(cache.heads())
                    .and(scale).launch("attention_prefill_" + Types.suffix(type) + "_" + cache.headChannels(),
                            cache.heads(), Math.min(rows.tiles() - tile, MAX_GRID_Y), 1, type == DType.F32 ? 256 : 128,
                            1, sharedBytes(type, cache.headChannels()));
        }
    }

    /** {@code ATTENTION_PREFILL_SHARED} of kernels.h. */
    private static int sharedBytes(DType type, int headChannels) {
        return type == DType.F32 ? (2 * 64 * (headChannels + 4) + 64 * 68) * 4 : 5 * 64 * headChannels * 2;
    }

    private void decode(Tensor q, DeviceBatch rows, int count, KvCache cache, int layer, float scale, Tensor out) {
        int heads = cache.heads();
        int d = cache.headChannels();
        int splits = splits(count * heads, cache.context());
        MemorySegment sums = splits == 1 ? MemorySegment.NULL
                : partial.reserve((long) count * heads * splits * (d + 2) * Float.BYTES);
        String type = Types.suffix(q.dtype());
        kernels.with(q).and(sums).and(out).and(rows.positions()).and(rows.sequences()).and(rows.blocks())
                .and(rows.blockStart()).and(layerOffset(cache, layer)).and(heads).and(scale)
                .launch("attention_decode_" + type + "_" + d, splits, heads, count, 128);
        if (splits > 1) {
            kernels.with(sums).and(out).and(heads).and(d).and(splits)
                    .launch("attention_combine_" + type, count, heads, 1, 128);
        }
    }

    /** Enough parts to keep the device busy. They do not depend on the positions, so that a pass can be repeated. */
    private int splits(int rowHeads, int positions) {
        int wanted = Math.ceilDiv(BLOCKS_PER_MULTIPROCESSOR * context.device().multiprocessors(), rowHeads);
        return Math.min(Math.min(wanted, MOST_SPLITS), Math.ceilDiv(positions, KvCache.BLOCK_POSITIONS));
    }

    private static long layerOffset(KvCache cache, int layer) {
        return cache.layerOffset(layer) * cache.type().bytes();
    }

    /** Counts how often memory that recorded passes use moved. */
    int generation() {
        return partial.generation();
    }

    void close() {
        partial.close();
    }
}
