package dev.isthmus.engine.model;

import dev.isthmus.engine.cache.BlockPool;
import dev.isthmus.engine.cache.CacheLimit;
import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.cache.PrefixSharing;
import dev.isthmus.engine.config.Activation;
import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.errors.CancelledException;
import dev.isthmus.engine.errors.InvalidInputException;
import dev.isthmus.engine.kernels.Kernels;
import dev.isthmus.engine.kernels.RowBatch;
import dev.isthmus.engine.memory.MemoryBudget;
import dev.isthmus.engine.tensor.DType;
import dev.isthmus.engine.tensor.Place;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Arrays;

/**
 * The GPT-2 transformer (Radford et al. 2019, "Language Models are Unsupervised Multitask Learners"), in the order of
 * Hugging Face's {@code GPT2LMHeadModel}. Immutable; several threads may run passes at once, each with its own batch
 * and scratch.
 */
public final class Gpt2Forward {

    /** Prompts are best read in chunks of so many rows: enough for full speed, and a bound on the scratch memory. */
    private static final int CHUNK_ROWS = 512;

    private final Gpt2Config config;
    private final Gpt2Weights weights;
    private final Kernels kernels;
    private final DType cacheType;

    /**
     * A transformer of these weights on these kernels.
     *
     * @param cacheType the type of keys and values in the cache, one of the kernels' {@link Kernels#cacheTypes}
     */
    public Gpt2Forward(Gpt2Config config, Gpt2Weights weights, Kernels kernels, DType cacheType) {
        this.config = config;
        this.weights = weights;
        this.kernels = kernels;
        this.cacheType = cacheType;
    }

    /** How many passes it takes to read {@code rows} rows of a prompt. */
    public static int chunks(int rows) {
        return Math.ceilDiv(rows, CHUNK_ROWS);
    }

    /** How many of the next {@code rows} ≥ 1 rows of a prompt to read in one pass: chunks as equal as can be. */
    public static int chunk(int rows) {
        return Math.ceilDiv(rows, chunks(rows));
    }

    /** The weights. */
    public Gpt2Weights weights() {
        return weights;
    }

    /**
     * What the blocks of many caches come from.
     *
     * @param sharing whose blocks caches may take over, where that gives the same bits
     * @param limit how much memory the blocks may take
     * @param budget what they share with all models
     */
    public BlockPool newBlockPool(PrefixSharing sharing, CacheLimit limit, MemoryBudget budget) {
        return new BlockPool(kernels.blockMemory(), kernels.isBatchInvariant() ? sharing : PrefixSharing.NONE, limit,
                budget);
    }

    /** An empty cache for one sequence; its memory comes from {@code pool}. */
    public KvCache newCache(BlockPool pool) {
        return new KvCache(config.layers(), config.heads(), config.headChannels(), config.context(), cacheType, pool);
    }

    /** An empty cache for one sequence, freed with {@code arena}. */
    public KvCache newCache(Arena arena) {
        return newCache(BlockPool.in(kernels.blockMemory(), arena));
    }

    /** Where passes compute. */
    Place place() {
        return kernels.place();
    }

    /** The bytes that the kernels work in besides scratch. */
    long workspaceBytes() {
        return kernels.workspaceBytes();
    }

    /** Frees what the kernels keep for passes to come; called while there are none. */
    void releaseIdle() {
        kernels.releaseIdle();
    }

    /** Scratch for this model's passes. */
    public Scratch newScratch() {
        return new Scratch(config, weights.head().weight().type(), kernels);
    }

    /**
     * Computes a batch: afterwards its rows are in their caches. Where it throws, the caches are as before.
     *
     * @param batch T ≥ 1 rows
     * @param outputRows the rows whose logits are wanted
     * @param scratch what the pass computes in
     * @param probe sees the pass as it goes
     * @return the logits [outputRows, V], valid until the next pass with the same scratch
     * @throws InvalidInputException if a token is not in the vocabulary
     * @throws CancelledException if the probe says so
     * @throws dev.isthmus.engine.errors.CheckpointException if weights lie in a file that has lost some of them
     */
    public Tensor forward(RowBatch batch, int[] outputRows, Scratch scratch, LayerProbe probe) {
        for (int t = 0; t < batch.rows(); t++) {
            checkToken(batch.token(t), batch.position(t));
        }
        Scratch.Views s = scratch.views(batch.rows(), outputRows.length);
        scratch.passes().run(batch, outputRows, probe.watches(), () -> compute(batch, outputRows, s, probe));
        weights.requireWhole();
        batch.commit();
        return s.logits();
    }

    private void compute(RowBatch batch, int[] outputRows, Scratch.Views s, LayerProbe probe) {
        Tensor x = s.rows().x();
        Scratch.Rows outputs = s.outputs();
        int last = config.layers() - 1;
        boolean onlyOutputs = outputRows.length < batch.rows() && !probe.watches();

        kernels.embedding(weights.tokenEmbedding(), weights.positionEmbedding(), batch, x);
        probe.hiddenState(0, x, batch);
        for (int layer = 0; layer <= last; layer++) {
            if (probe.cancelled()) {
                throw new CancelledException("computing layer " + layer + " of " + config.layers()
                        + ": cancelled by the caller");
            }
            if (layer == last && onlyOutputs) {
                blockOfOutputs(layer, s, batch, outputRows);
            } else {
                block(layer, s, batch, probe);
                probe.hiddenState(layer + 1, x, batch);
            }
        }
        if (probe.wantsFinalState()) {
            kernels.layerNorm(x, weights.finalNorm(), s.rows().h());
            probe.hiddenState(config.layers() + 1, s.rows().h(), batch);
        }
        if (outputRows.length > 0) {
            if (!onlyOutputs) {
                kernels.selectRows(x, outputRows, outputs.x());
            }
            kernels.layerNorm(outputs.x(), weights.finalNorm(), outputs.h());
            kernels.linear(outputs.h(), weights.head(), Activation.NONE, s.logits());
        }
    }

    private void block(int layer, Scratch.Views s, RowBatch batch, LayerProbe probe) {
        queriesKeysAndValues(layer, s, 0);
        kernels.appendAndAttend(s.qkv(), batch, layer, config.attentionScale(layer), 0, s.rows().attention());
        probe.attention(layer, s.qkv(), batch);
        behindAttention(layer, s.rows());
    }

    /** The last block: later tokens read every row's keys and values; what follows these, only rows with logits need. */
    private void blockOfOutputs(int layer, Scratch.Views s, RowBatch batch, int[] outputRows) {
        int first = Arrays.stream(outputRows).min().orElse(batch.rows());
        queriesKeysAndValues(layer, s, first);
        if (outputRows.length == 0) {
            kernels.appendKeysAndValues(s.qkv(), batch, layer);
            return;
        }
        kernels.appendAndAttend(s.qkv(), batch, layer, config.attentionScale(layer), first, s.rows().attention());
        kernels.selectRows(s.rows().x(), outputRows, s.outputs().x());
        kernels.selectRows(s.rows().attention(), outputRows, s.outputs().attention());
        behindAttention(layer, s.outputs());
    }

    /** Of rows before {@code first}, keys and values only. */
    private void queriesKeysAndValues(int layer, Scratch.Views s, int first) {
        Gpt2Weights.Block block = weights.blocks().get(layer);
        kernels.layerNorm(s.rows().x(), block.attentionNorm(), s.rows().h());
        kernels.linearPart(s.rows().h(), block.attentionInput(), first, config.channels(), s.qkv());
    }

    private void behindAttention(int layer, Scratch.Rows rows) {
        Gpt2Weights.Block block = weights.blocks().get(layer);
        kernels.linearAddNorm(rows.attention(), block.attentionOutput(), rows.x(), block.feedForwardNorm(), rows.h());

        kernels.linear(rows.h(), block.feedForwardInput(), config.activation(), rows.inner());
        kernels.linearAdd(rows.inner(), block.feedForwardOutput(), rows.x());
    }

    /**
     * Checks a token.
     *
     * @param position where it stands, for the message
     * @throws InvalidInputException if it is not in the vocabulary
     */
    public void checkToken(int token, int position) {
        if (token < 0 || token >= config.vocabulary()) {
            throw new InvalidInputException("token id " + token + " at position " + position
                    + " is not in the model's vocabulary of 0.." + (config.vocabulary() - 1)
                    + "; encode the text with this model's own tokenizer");
        }
    }
}
