package dev.isthmus.engine.model;

import dev.isthmus.engine.cache.BlockPool;
import dev.isthmus.engine.cache.CacheLimit;
import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.cache.PrefixSharing;
import dev.isthmus.engine.checks.Interrupts;
import dev.isthmus.engine.config.Activation;
import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.errors.CancelledException;
import dev.isthmus.engine.errors.InvalidInputException;
import dev.isthmus.engine.kernels.Backend;
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

    private final Gpt2Config config;
    private final Gpt2Weights weights;
    private final Backend backend;
    private final Kernels kernels;
    private final DType cacheType;

    /**
     * A transformer of these weights on the backend that holds them.
     *
     * @param cacheType the type of keys and values in the cache, one of the backend's {@link Backend#cacheTypes}
     */
    public Gpt2Forward(Gpt2Config config, Gpt2Weights weights, Backend backend, DType cacheType) {
        this.config = config;
        this.weights = weights;
        this.backend = backend;
        this.kernels = backend.kernels();
        this.cacheType = cacheType;
    }

    /** How many passes it takes to read {@code rows} rows of a prompt. */
    public int chunks(int rows) {
        return Math.ceilDiv(rows, backend.maxChunkRows());
    }

    /** How many of the next {@code rows} ≥ 1 rows of a prompt to read in one pass: chunks as equal as can be. */
    public int chunk(int rows) {
        return Math.ceilDiv(rows, chunks(rows));
    }

    /** The weights. */
    public Gpt2Weights weights() {
        return weights;
    }

    /** The type of keys and values in the cache. */
    public DType cacheType() {
        return cacheType;
    }

    /**
     * What the blocks of many caches come from.
     *
     * @param sharing whose blocks caches may take over, where that gives the same bits
     * @param limit how much memory the blocks may take
     * @param budget what they share with all models
     */
    public BlockPool newBlockPool(PrefixSharing sharing, CacheLimit limit, MemoryBudget budget) {
        return new BlockPool(backend.blocks(), backend.isBatchInvariant() ? sharing : PrefixSharing.NONE, limit,
                budget);
    }

    /** An empty cache for one sequence; its memory comes from {@code pool}. */
    public KvCache newCache(BlockPool pool) {
        return new KvCache(config.layers(), config.heads(), config.headChannels(), config.context(), cacheType, pool);
    }

    /** An empty cache for one sequence, freed with {@code arena}. */
    public KvCache newCache(Arena arena) {
        return newCache(BlockPool.in(backend.blocks(), arena));
    }

    /** Where passes compute. */
    Place place() {
        return backend.blocks().place();
    }

    /** The bytes that the backend works in besides scratch. */
    long workspaceBytes() {
        return backend.workspaceBytes();
    }

    /** Frees what the backend keeps for passes to come; called while there are none. */
    void releaseIdle() {
        backend.releaseIdle();
    }

    /** Scratch for this model's passes. */
    public Scratch newScratch() {
        return new Scratch(config, weights.head().weight().type(), backend);
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
     * @throws CancelledException if the probe says so, or the thread is interrupted
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
        Scratch.Rows all = s.rows();
        Scratch.Rows outputs = s.outputs();
        int last = config.layers() - 1;
        // Later tokens read the keys and values of every row; after the last of these, only rows with logits go on.
        boolean narrows = outputRows.length < batch.rows() && !probe.watches();

        kernels.embedding(weights.tokenEmbedding(), weights.positionEmbedding(), batch, all.x());
        probe.hiddenState(0, all.x(), batch);
        for (int layer = 0; layer <= last; layer++) {
            Interrupts.check("computing layer " + layer + " of " + config.layers());
            if (probe.cancelled()) {
                throw new CancelledException("computing layer " + layer + " of " + config.layers()
                        + ": cancelled by the caller");
            }
            block(layer, s, batch, layer == last && narrows ? outputRows : null, probe);
            if (layer < last || !narrows) {
                probe.hiddenState(layer + 1, all.x(), batch);
            }
        }
        if (probe.wantsFinalState()) {
            kernels.layerNorm(all.x(), weights.finalNorm(), all.h());
            probe.hiddenState(config.layers() + 1, all.h(), batch);
        }
        if (outputRows.length > 0) {
            if (!narrows) {
                kernels.selectRows(all.x(), outputRows, outputs.x());
            }
            kernels.layerNorm(outputs.x(), weights.finalNorm(), outputs.h());
            kernels.linear(outputs.h(), weights.head(), Activation.NONE, s.logits());
        }
    }

    /**
     * Computes x = x + attention(ln_1(x)), and then x = x + mlp(ln_2(x)).
     *
     * @param goingOn the rows that are computed to the end; null for all. All rows' keys and values are computed
     */
    private void block(int layer, Scratch.Views s, RowBatch batch, int[] goingOn, LayerProbe probe) {
        Gpt2Weights.Block block = weights.blocks().get(layer);
        Scratch.Rows all = s.rows();
        int first = goingOn == null ? 0 : Arrays.stream(goingOn).min().orElse(batch.rows());

        // qkv = ln_1(x) · W + b; queries from the first row on that needs one
        kernels.layerNorm(all.x(), block.attentionNorm(), all.h());
        kernels.linearPart(all.h(), block.attentionInput(), first, config.channels(), s.qkv());
        if (first == batch.rows()) {
            kernels.appendKeysAndValues(s.qkv(), batch, layer);
            return;
        }
        // a = softmax(q · kᵀ · scale) · v
        kernels.appendAndAttend(s.qkv(), batch, layer, config.attentionScale(layer), first, all.attention());
        probe.attention(layer, s.qkv(), batch);

        Scratch.Rows rows = goingOn == null ? all : selected(goingOn, all, s.outputs());
        // x = x + a · W + b; h = ln_2(x)
        kernels.linearAddNorm(rows.attention(), block.attentionOutput(), rows.x(), block.feedForwardNorm(), rows.h());
        // x = x + activation(h · W + b) · W' + b'
        kernels.linear(rows.h(), block.feedForwardInput(), config.activation(), rows.inner());
        kernels.linearAdd(rows.inner(), block.feedForwardOutput(), rows.x());
    }

    private Scratch.Rows selected(int[] rows, Scratch.Rows from, Scratch.Rows into) {
        kernels.selectRows(from.x(), rows, into.x());
        kernels.selectRows(from.attention(), rows, into.attention());
        return into;
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
