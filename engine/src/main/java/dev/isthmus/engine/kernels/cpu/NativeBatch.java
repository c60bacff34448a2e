package dev.isthmus.engine.kernels.cpu;

import dev.isthmus.bindings.isthmus.isthmus_kv;
import dev.isthmus.bindings.isthmus.isthmus_rows;
import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.kernels.RowBatch;
import java.lang.foreign.MemorySegment;

/**
 * A batch in the structs of {@code isthmus.h}: its rows, and each layer's view of the caches, filled once a pass. As the
 * batch itself, it is filled by one thread and may be read by all while a step runs.
 */
final class NativeBatch implements RowBatch.Mirror {

    private final RowBatch batch;
    private final MemorySegment rows;
    private MemorySegment layers = MemorySegment.NULL;
    private long rowsFilled = -1;
    private long layersFilled = -1;

    private NativeBatch(RowBatch batch) {
        this.batch = batch;
        this.rows = isthmus_rows.allocate(batch.arena());
    }

    /** The batch as it is now. */
    static NativeBatch of(RowBatch batch) {
        NativeBatch mirror = batch.mirror() instanceof NativeBatch mine ? mine : new NativeBatch(batch);
        batch.attach(mirror);
        mirror.fillRows();
        return mirror;
    }

    /** struct isthmus_rows. */
    MemorySegment rows() {
        return rows;
    }

    /** struct isthmus_kv of a layer. */
    MemorySegment kv(int layer) {
        if (layersFilled != batch.changes()) {
            fillLayers(batch.cache(0));
            layersFilled = batch.changes();
        }
        return isthmus_kv.asSlice(layers, layer);
    }

    private void fillRows() {
        if (rowsFilled != batch.changes()) {
            isthmus_rows.tokens(rows, batch.tokens());
            isthmus_rows.positions(rows, batch.positions());
            isthmus_rows.sequences(rows, batch.sequences());
            rowsFilled = batch.changes();
        }
    }

    private void fillLayers(KvCache cache) {
        if (layers.byteSize() < cache.layers() * isthmus_kv.sizeof()) {
            layers = isthmus_kv.allocateArray(cache.layers(), batch.arena());
        }
        for (int layer = 0; layer < cache.layers(); layer++) {
            MemorySegment kv = isthmus_kv.asSlice(layers, layer);
            isthmus_kv.blocks(kv, batch.blocks());
            isthmus_kv.block_start(kv, batch.blockStart());
            isthmus_kv.layer_offset(kv, cache.layerOffset(layer) * cache.type().bytes());
            isthmus_kv.H(kv, cache.heads());
            isthmus_kv.D(kv, cache.headChannels());
            isthmus_kv.type(kv, NativeCodes.of(cache.type()));
        }
    }
}
