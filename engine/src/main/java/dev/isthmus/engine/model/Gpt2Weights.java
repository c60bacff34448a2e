package dev.isthmus.engine.model;

import dev.isthmus.engine.kernels.LayerNorm;
import dev.isthmus.engine.kernels.Linear;
import dev.isthmus.engine.kernels.Matrix;
import dev.isthmus.engine.tensor.DType;
import dev.isthmus.engine.tensor.Tensor;
import java.util.List;

/**
 * The weights of a GPT-2 model; the vectors and the position embedding are F32.
 *
 * @param tokenEmbedding wte, a matrix of C inputs and V outputs
 * @param positionEmbedding wpe [P, C]
 * @param blocks the transformer blocks, first to last
 * @param finalNorm ln_f
 * @param head the output matrix, C → V, without bias; the token embedding's own matrix where they are tied
 * @param files the files in which some of the matrices lie; empty where all are copies
 * @param memoryBytes what the copies take of the process's own memory
 */
public record Gpt2Weights(Matrix tokenEmbedding, Tensor positionEmbedding, List<Block> blocks, LayerNorm finalNorm,
        Linear head, List<MappedFile> files, long memoryBytes) {

    /**
     * Checks that what was computed from the weights was computed from them.
     *
     * @throws dev.isthmus.engine.errors.CheckpointException if one of their files has lost a part of them
     */
    public void requireWhole() {
        files.forEach(MappedFile::requireWhole);
    }

    /** What keys and values are kept in unless asked otherwise: INT8 where the weights have scales, else F32. */
    public DType usualCacheType() {
        return head.weight().type().isQuantized() ? DType.INT8 : DType.F32;
    }

    /**
     * One transformer block.
     *
     * @param attentionNorm ln_1
     * @param attentionInput attn.c_attn, C → 3C: queries, keys and values side by side
     * @param attentionOutput attn.c_proj, C → C
     * @param feedForwardNorm ln_2
     * @param feedForwardInput mlp.c_fc, C → n_inner
     * @param feedForwardOutput mlp.c_proj, n_inner → C
     */
    public record Block(LayerNorm attentionNorm, Linear attentionInput, Linear attentionOutput,
            LayerNorm feedForwardNorm, Linear feedForwardInput, Linear feedForwardOutput) {}
}
