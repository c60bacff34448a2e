package dev.isthmus.tools.commands;

import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.kernels.RowBatch;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;

/** Something to time, and the least that it takes of a machine. */
sealed interface BenchWorkload {

    /** Such as {@code prefill 512}. */
    String name();

    /** The sequences that are computed together. */
    int batch();

    /** The positions that each sequence takes. */
    int positions();

    /** The tokens that are counted. */
    long tokens();

    /** Runs it once; the seconds taken. */
    double run(BenchModel model);

    /** What it takes at least. */
    Cost cost(BenchModel model);

    /**
     * What a workload takes at least, whatever the program.
     *
     * @param bytes read and written: the weights for each pass, once for all its rows, and the past keys and values
     * @param products multiply-adds with weights
     * @param attention multiply-adds with keys and values
     */
    record Cost(double bytes, double products, double attention) {

        /** The least seconds, at these bytes and multiply-adds per second; memory is read while others multiply. */
        double seconds(double byteRate, double productRate, double attentionRate) {
            return Math.max(bytes / byteRate, products / productRate + attention / attentionRate);
        }
    }

    /** Reading a prompt, with the logits of its last position; of the others the last block needs keys and values. */
    record Prefill(int positions) implements BenchWorkload {

        @Override
        public String name() {
            return "prefill " + positions;
        }

        @Override
        public int batch() {
            return 1;
        }

        @Override
        public long tokens() {
            return positions;
        }

        @Override
        public double run(BenchModel model) {
            try (Arena arena = Arena.ofShared()) {
                int[] ids = ids(model, 0, positions);
                KvCache cache = model.cache(0);
                RowBatch batch = new RowBatch(arena);
                long begun = System.nanoTime();
                read(model, batch, cache, ids);
                return (System.nanoTime() - begun) / 1e9;
            }
        }

        @Override
        public Cost cost(BenchModel model) {
            double passes = model.chunks(positions);
            double pairs = positions * (positions + 1.0) / 2; // of a query and a key: each position with those up to it
            return new Cost(passes * model.layerBytes() + model.headBytes(),
                    (double) positions * model.layerWeights() - (positions - 1.0) * model.weightsForLogits()
                            + model.headWeights(),
                    (pairs * (model.config().layers() - 1) + positions) * 2 * model.config().channels());
        }
    }

    /** Generating {@code count} tokens greedily behind each of {@code batch} prompts, which are read untimed. */
    record Decode(int prompt, int count, int batch) implements BenchWorkload {

        @Override
        public String name() {
            return "decode " + prompt + "+" + count;
        }

        @Override
        public int positions() {
            return prompt + count;
        }

        @Override
        public long tokens() {
            return (long) batch * count;
        }

        @Override
        public double run(BenchModel model) {
            try (Arena arena = Arena.ofShared()) {
                RowBatch rows = new RowBatch(arena);
                KvCache[] caches = new KvCache[batch];
                int[] next = new int[batch];
                float[] logits = new float[model.config().vocabulary()];
                for (int s = 0; s < batch; s++) {
                    caches[s] = model.cache(s);
                    next[s] = argmax(read(model, rows, caches[s], ids(model, s, prompt)), 0, logits);
                }
                long begun = System.nanoTime();
                for (int i = 0; i < count; i++) {
                    rows.clear();
                    for (int s = 0; s < batch; s++) {
                        rows.add(caches[s], next, s, s + 1);
                    }
                    Tensor all = model.forward(rows, rows.allRows());
                    for (int s = 0; s < batch; s++) {
                        next[s] = argmax(all, s, logits);
                    }
                }
                return (System.nanoTime() - begun) / 1e9;
            }
        }

        @Override
        public Cost cost(BenchModel model) {
            // Step i writes position prompt + i and reads all up to it.
            double read = (double) tokens() * (prompt + (count + 1) / 2.0);
            return new Cost((double) count * (model.layerBytes() + model.headBytes())
                            + (read + tokens()) * model.cacheBytesPerPosition(),
                    (double) tokens() * (model.layerWeights() + model.headWeights()),
                    read * 2 * model.config().layers() * model.config().channels());
        }
    }

    private static int[] ids(BenchModel model, int sequence, int count) {
        return new SplittableRandom(sequence + 1).ints(count, 0, model.config().vocabulary()).toArray();
    }

    /** Reads a prompt; the logits of its last position. */
    private static Tensor read(BenchModel model, RowBatch batch, KvCache cache, int[] ids) {
        Tensor logits = null;
        int to;
        for (int from = 0; from < ids.length; from = to) {
            to = from + model.chunk(ids.length - from);
            batch.clear();
            batch.add(cache, ids, from, to);
            logits = model.forward(batch, to < ids.length ? new int[0] : batch.lastRows());
        }
        return logits;
    }

    private static int argmax(Tensor logits, long row, float[] buffer) {
        MemorySegment.copy(logits.data(), ValueLayout.JAVA_FLOAT, row * buffer.length * Float.BYTES, buffer, 0,
                buffer.length);
        int best = 0;
        for (int i = 1; i < buffer.length; i++) {
            if (buffer[i] > buffer[best]) {
                best = i;
            }
        }
        return best;
    }
}
