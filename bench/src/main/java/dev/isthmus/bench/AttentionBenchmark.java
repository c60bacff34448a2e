package dev.isthmus.bench;

import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.kernels.Backends;
import dev.isthmus.engine.kernels.Backend;
import dev.isthmus.engine.kernels.RowBatch;
import dev.isthmus.engine.tensor.DType;
import dev.isthmus.engine.tensor.Shape;
import dev.isthmus.engine.tensor.Tensor;
import java.util.Arrays;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/**
 * Attention of one GPT-2 124M layer, 12 heads of 64 channels: of a whole prompt over itself, or of one new row over a
 * context. Successive calls go through the caches of so many layers that they are read from memory, as in a model whose
 * weights are read in between. Checked against the reference before it is timed.
 */
public class AttentionBenchmark extends KernelBenchmark {

    private static final int HEADS = 12;
    private static final int CHANNELS = 768;
    private static final double SCALE = 0.125;

    /** prefill or decode. */
    @Param({"prefill", "decode"})
    public String phase = "decode";

    /** The positions attended to by the last row. */
    @Param({"128", "512", "1024"})
    public int context = 1024;

    /** How keys and values are kept. */
    @Param({"F32", "F16", "INT8"})
    public DType cache = DType.F32;

    private RowBatch batch;
    private Tensor qkv;
    private Tensor out;
    private int layers;
    private int next;

    @Override
    void prepare() {
        Tensor rows = Tensors.random(arena, context, 3L * CHANNELS);
        long layerBytes = 2L * context * CHANNELS * cache.bytes();
        layers = Math.toIntExact(Math.ceilDiv(LinearBenchmark.WEIGHT_BYTES, layerBytes));
        batch = fill(backend, cache, rows, layers);
        qkv = timedRows(rows);
        out = backend.tensors().allocate(arena, batch.rows(), CHANNELS);
        check(rows);
    }

    private int pastRows() {
        return phase.equals("decode") ? context - 1 : 0;
    }

    private Tensor timedRows(Tensor rows) {
        int past = pastRows();
        return new Tensor(rows.data().asSlice(past * rows.dim(1) * rows.dtype().bytes()), rows.dtype(),
                new Shape(context - past, rows.dim(1)));
    }

    /** The rows to be timed, behind a past that is in the cache. They stay uncommitted, so that they can be run again. */
    private RowBatch fill(Backend owner, DType type, Tensor rows, int count) {
        KvCache past = new KvCache(count, HEADS, CHANNELS / HEADS, context, type, arena);
        RowBatch all = new RowBatch(arena);
        int[] ids = new int[context];
        if (pastRows() > 0) {
            all.add(past, ids, 0, pastRows());
            for (int layer = 0; layer < count; layer++) {
                owner.kernels().appendKeysAndValues(rows.rows(pastRows()), all, layer);
            }
            all.commit();
            all.clear();
        }
        all.add(past, ids, pastRows(), context);
        for (int layer = 0; layer < count; layer++) {
            owner.kernels().appendKeysAndValues(timedRows(rows), all, layer);
        }
        return all;
    }

    private void check(Tensor rows) {
        try (Backend reference = Backends.reference()) {
            int[] all = new int[context];
            Arrays.setAll(all, t -> t);
            Tensor wide = Tensors.widened(reference, arena, rows, all);
            RowBatch expectedBatch = fill(reference, DType.F64, wide, 1);
            Tensor expected = reference.tensors().allocate(arena, batch.rows(), CHANNELS);
            reference.kernels().attention(timedRows(wide), expectedBatch, 0, SCALE, 0, expected);
            backend.kernels().attention(qkv, batch, 0, SCALE, 0, out);
            int[] timed = new int[batch.rows()];
            Arrays.setAll(timed, t -> t);
            Tensors.requireClose(out, expected, cache == DType.INT8 ? 2e-2 : cache == DType.F16 ? 1e-3 : 1e-5, timed);
        }
    }

    /** Attention. */
    @Benchmark
    public void attention() {
        backend.kernels().attention(qkv, batch, next++ % layers, SCALE, 0, out);
    }

    /** What it takes at least: for a prompt, the causal half; of the past, keys and values once. */
    Work work() {
        double pairs = 0;
        for (int t = pastRows(); t < context; t++) {
            pairs += t + 1;
        }
        return new Work(2.0 * context * CHANNELS * cache.bytes() + 4.0 * batch.rows() * 2 * CHANNELS,
                4 * pairs * CHANNELS, WeightType.F32);
    }
}
