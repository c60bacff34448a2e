package dev.isthmus.tools.commands;

import dev.isthmus.engine.api.CacheType;
import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.kernels.Linear;
import dev.isthmus.engine.kernels.RowBatch;
import dev.isthmus.engine.kernels.cpu.CpuChoice;
import dev.isthmus.engine.model.Gpt2Forward;
import dev.isthmus.engine.model.Gpt2Weights;
import dev.isthmus.engine.model.LayerProbe;
import dev.isthmus.engine.model.Scratch;
import dev.isthmus.engine.session.LoadOptions;
import dev.isthmus.engine.session.LoadedModel;
import dev.isthmus.engine.tensor.DType;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.BiConsumer;
import java.util.stream.Stream;

/**
 * A model below the API, where several sequences can be computed as one batch. Not safe for use by several threads at
 * once.
 */
final class BenchModel implements AutoCloseable {

    private final Arena arena;
    private final LoadedModel model;
    private final Gpt2Weights weights;
    private final Scratch scratch;
    private final List<KvCache> caches = new ArrayList<>();

    /**
     * Reads a model.
     *
     * @param type how to keep the weights; empty for as the files have them
     */
    BenchModel(Path directory, CpuChoice choice, Optional<WeightType> type, CacheType cache, int threads,
            BiConsumer<Long, Long> progress) {
        model = LoadedModel.open(directory, new LoadOptions(List.of(choice::open), threads, type,
                LoadOptions.Cache.of(elements(cache)), progress));
        weights = model.forward().weights();
        scratch = model.forward().newScratch();
        arena = Arena.ofShared();
    }

    private static Optional<DType> elements(CacheType cache) {
        return switch (cache) {
            case AUTO -> Optional.empty();
            case F32 -> Optional.of(DType.F32);
            case F16 -> Optional.of(DType.F16);
            case INT8 -> Optional.of(DType.INT8);
        };
    }

    Gpt2Config config() {
        return model.config();
    }

    /** The cache of sequence {@code index}, empty; its memory is what earlier runs have had, as in a session. */
    KvCache cache(int index) {
        while (caches.size() <= index) {
            caches.add(model.forward().newCache(arena));
        }
        KvCache cache = caches.get(index);
        cache.rewind(0);
        return cache;
    }

    /** How the output matrix is kept, and in all usual files the others too. */
    WeightType type() {
        return weights.head().weight().type();
    }

    /** As {@link Gpt2Forward#chunks}. */
    int chunks(int rows) {
        return model.forward().chunks(rows);
    }

    /** As {@link Gpt2Forward#chunk}. */
    int chunk(int rows) {
        return model.forward().chunk(rows);
    }

    /** Computes a batch; the logits of {@code rows} are valid until the next call. */
    Tensor forward(RowBatch batch, int... rows) {
        return model.forward().forward(batch, rows, scratch, LayerProbe.NONE);
    }

    /** The bytes of the matrices of all layers, as they lie in memory. */
    long layerBytes() {
        return layers(weights.blocks()).mapToLong(this::bytes).sum();
    }

    /** The bytes of the output matrix. */
    long headBytes() {
        return bytes(weights.head());
    }

    /** The weights of all layers' matrices: one multiply-add each for a token. */
    long layerWeights() {
        return layers(weights.blocks()).mapToLong(BenchModel::weights).sum();
    }

    /** Those of {@link #layerWeights} that only a token with logits needs: the last block's, but for keys and values. */
    long weightsForLogits() {
        long keysAndValues = 2L * config().channels() * config().channels();
        return layers(List.of(weights.blocks().getLast())).mapToLong(BenchModel::weights).sum() - keysAndValues;
    }

    /** The weights of the output matrix. */
    long headWeights() {
        return (long) config().channels() * config().vocabulary();
    }

    /** The bytes of one position's keys and values in all layers. */
    long cacheBytesPerPosition() {
        DType type = model.forward().cacheType();
        int scale = type == DType.INT8 ? Float.BYTES : 0;
        return 2L * config().layers() * config().heads() * (config().headChannels() * type.bytes() + scale);
    }

    /** Memory of this size, of the same kind as the weights', with something in it. */
    MemorySegment memory(Arena owner, long bytes) {
        return model.backend().weights().allocate(owner, bytes).fill((byte) 1);
    }

    private static Stream<Linear> layers(List<Gpt2Weights.Block> blocks) {
        return blocks.stream().flatMap(block -> Stream.of(block.attentionInput(), block.attentionOutput(),
                block.feedForwardInput(), block.feedForwardOutput()));
    }

    private static long weights(Linear linear) {
        return (long) linear.inputs() * linear.outputs();
    }

    private long bytes(Linear linear) {
        return model.backend().weights().matrixBytes(linear.weight().type(), linear.inputs(), linear.outputs());
    }

    @Override
    public void close() {
        scratch.close();
        arena.close();
        model.close();
    }
}
