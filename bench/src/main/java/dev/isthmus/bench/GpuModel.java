package dev.isthmus.bench;

import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.kernels.Draw;
import dev.isthmus.engine.kernels.RowBatch;
import dev.isthmus.engine.kernels.cuda.CudaBackend;
import dev.isthmus.engine.kernels.cuda.CudaDevice;
import dev.isthmus.engine.kernels.cuda.DeviceTimer;
import dev.isthmus.engine.model.Gpt2Forward;
import dev.isthmus.engine.model.Gpt2Weights;
import dev.isthmus.engine.model.LayerProbe;
import dev.isthmus.engine.model.Scratch;
import dev.isthmus.engine.session.LoadOptions;
import dev.isthmus.engine.session.LoadedModel;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;

/** A model on the GPU below the API, where several sequences can be computed as one batch. Used by one thread. */
final class GpuModel implements AutoCloseable {

    private static final Draw GREEDY = new Draw(0, 0, 1, 0, 0, new double[0]);

    private final Arena arena;
    private final CudaBackend backend;
    private final LoadedModel model;
    private final Gpt2Forward forward;
    private final Scratch scratch;
    private final RowBatch batch;

    GpuModel(Path directory, WeightType type) {
        model = LoadedModel.open(directory, new LoadOptions(List.of(threads -> new CudaBackend(CudaDevice.find())), 4,
                Optional.of(type), LoadOptions.Cache.of(Optional.empty()), (done, total) -> {}));
        backend = (CudaBackend) model.backend();
        forward = model.forward();
        scratch = forward.newScratch();
        arena = Arena.ofShared();
        batch = new RowBatch(arena);
    }

    CudaBackend backend() {
        return backend;
    }

    Gpt2Config config() {
        return model.config();
    }

    Gpt2Weights weights() {
        return forward.weights();
    }

    /**
     * The logits [T, V] of a text.
     *
     * @param prefilled the rows that are read in chunks of 64; the others are read in single steps, by other kernels and
     *     from the third on as a recorded pass
     */
    float[][] logits(int[] ids, int prefilled) {
        try (Arena temporary = Arena.ofShared()) {
            KvCache cache = forward.newCache(temporary);
            float[][] logits = new float[ids.length][config().vocabulary()];
            int to;
            for (int from = 0; from < ids.length; from = to) {
                to = from < prefilled ? Math.min(from + 64, prefilled) : from + 1;
                batch.clear();
                batch.add(cache, ids, from, to);
                Tensor rows = forward.forward(batch, batch.allRows(), scratch, LayerProbe.NONE);
                for (int t = 0; t < batch.rows(); t++) {
                    backend.tensors().read(rows, (long) t * config().vocabulary(), logits[from + t]);
                }
            }
            return logits;
        }
    }

    /** Milliseconds to read {@code length} tokens, with the logits of the last. */
    double prefill(int length) {
        try (Arena temporary = Arena.ofShared(); DeviceTimer timer = backend.newTimer()) {
            KvCache cache = forward.newCache(temporary);
            cache.reserve(length);
            int[] ids = ids(0, length);
            return timer.milliseconds(() -> read(cache, ids));
        }
    }

    /** Milliseconds for each of {@code count} greedy steps of {@code sequences} texts after prompts of their own. */
    double decode(int prompt, int count, int sequences) {
        try (Arena temporary = Arena.ofShared(); DeviceTimer timer = backend.newTimer()) {
            KvCache[] caches = new KvCache[sequences];
            int[] next = new int[sequences];
            for (int s = 0; s < sequences; s++) {
                caches[s] = forward.newCache(temporary);
                caches[s].reserve(prompt + count + 2);
                next[s] = backend.tokenChooser().orElseThrow().choose(read(caches[s], ids(s, prompt)), 0, GREEDY)[0];
            }
            // A pass is run as it is and recorded before it is repeated.
            int[] begun = step(caches, step(caches, next));
            return timer.milliseconds(() -> {
                int[] tokens = begun;
                for (int i = 0; i < count; i++) {
                    tokens = step(caches, tokens);
                }
            }) / count;
        }
    }

    private int[] step(KvCache[] caches, int[] tokens) {
        batch.clear();
        for (int s = 0; s < caches.length; s++) {
            batch.add(caches[s], tokens, s, s + 1);
        }
        Tensor logits = forward.forward(batch, batch.allRows(), scratch, LayerProbe.NONE);
        Draw[] draws = new Draw[caches.length];
        Arrays.fill(draws, GREEDY);
        return backend.tokenChooser().orElseThrow().choose(logits, 0, draws);
    }

    private Tensor read(KvCache cache, int[] ids) {
        Tensor logits = null;
        int to;
        for (int from = 0; from < ids.length; from = to) {
            to = from + forward.chunk(ids.length - from);
            batch.clear();
            batch.add(cache, ids, from, to);
            int[] rows = to < ids.length ? new int[0] : batch.lastRows();
            logits = forward.forward(batch, rows, scratch, LayerProbe.NONE);
        }
        return logits;
    }

    private int[] ids(int sequence, int count) {
        return new SplittableRandom(sequence + 1).ints(count, 0, config().vocabulary()).toArray();
    }

    @Override
    public void close() {
        scratch.close();
        arena.close();
        model.close();
    }
}
