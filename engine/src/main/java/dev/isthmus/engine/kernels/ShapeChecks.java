package dev.isthmus.engine.kernels;

import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.tensor.DType;
import dev.isthmus.engine.tensor.Place;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;

/**
 * What every backend checks before it computes: that tensors have the place, type and shape which an operation needs.
 * Native code then sees only addresses and counts that fit together.
 *
 * @param place where tensors must be
 * @param stream the type of the residual stream, of logits and of probabilities
 * @param inputs the types that a product's input may have, and its output where it is not added to the stream
 * @param cacheTypes the types that a cache may have
 */
public record ShapeChecks(Place place, DType stream, List<DType> inputs, List<DType> cacheTypes) {

    private static final List<DType> F32 = List.of(DType.F32);

    /** Checks {@link Kernels#embedding}'s arguments. */
    public void embedding(Matrix wte, Tensor wpe, RowBatch batch, Tensor x) {
        long channels = x.dim(1);
        if (wte.inputs() != channels) {
            throw new IllegalArgumentException("embedding: wte: expected " + channels + " inputs, found "
                    + wte.inputs());
        }
        require("embedding: wpe", wpe, F32, wpe.dim(0), channels);
        require("embedding: x", x, List.of(stream), batch.rows(), channels);
        for (int t = 0; t < batch.rows(); t++) {
            Objects.checkIndex(batch.token(t), wte.outputs());
            Objects.checkIndex(batch.position(t), wpe.dim(0));
        }
    }

    /** Checks {@link WeightMemory#pack}'s arguments. */
    public static void pack(Matrix matrix, MemorySegment weights, int k0, int k1, int n0, int n1) {
        int block = matrix.type().blockInputs();
        boolean whole = k0 % block == 0 && (k1 % block == 0 || k1 == matrix.inputs())
                && n0 % PackedMatrix.PANEL == 0 && (n1 % PackedMatrix.PANEL == 0 || n1 == matrix.outputs());
        Objects.checkFromToIndex(k0, k1, matrix.inputs());
        Objects.checkFromToIndex(n0, n1, matrix.outputs());
        if (!whole || weights.byteSize() != (long) (k1 - k0) * (n1 - n0) * Float.BYTES) {
            throw new IllegalArgumentException("pack: inputs " + k0 + ".." + k1 + " of " + matrix.inputs()
                    + " and outputs " + n0 + ".." + n1 + " of " + matrix.outputs() + " are not whole blocks of a "
                    + matrix.type() + " matrix, or are not what " + weights.byteSize() + " bytes hold");
        }
    }

    /** Checks {@link Kernels#layerNorm}'s arguments. */
    public void layerNorm(Tensor x, LayerNorm norm, Tensor out) {
        long channels = x.dim(1);
        require("layer norm: weight", norm.weight(), F32, channels);
        require("layer norm: bias", norm.bias(), F32, channels);
        require("layer norm: x", x, List.of(stream), x.dim(0), channels);
        require("layer norm: out", out, inputs, x.dim(0), channels);
    }

    /** Checks {@link Kernels#linear}'s arguments. */
    public void linear(Tensor x, Linear linear, Tensor out) {
        product(x, linear, out, inputs);
    }

    /** Checks {@link Kernels#linearPart}'s arguments. */
    public void linearPart(Tensor x, Linear linear, int first, int column, Tensor out) {
        linear(x, linear, out);
        Objects.checkFromToIndex(first, x.dim(0), x.dim(0));
        Objects.checkFromToIndex(column, linear.outputs(), linear.outputs());
    }

    /** Checks {@link Kernels#linearAdd}'s arguments. */
    public void linearAdd(Tensor x, Linear linear, Tensor out) {
        product(x, linear, out, List.of(stream));
    }

    private void product(Tensor x, Linear linear, Tensor out, List<DType> outTypes) {
        long rows = x.dim(0);
        require("linear: x", x, inputs, rows, linear.inputs());
        require("linear: out", out, outTypes, rows, linear.outputs());
        if (linear.bias() != null) {
            require("linear: bias", linear.bias(), F32, linear.outputs());
        }
    }

    /** Checks {@link Kernels#appendKeysAndValues}'s arguments. */
    public void append(Tensor qkv, RowBatch batch, int layer) {
        long channels = cached("append", batch, layer);
        require("append: qkv", qkv, inputs, batch.rows(), 3 * channels);
    }

    /** Checks {@link Kernels#attention}'s arguments. */
    public void attention(Tensor qkv, RowBatch batch, int layer, int first, Tensor out) {
        Objects.checkFromToIndex(first, batch.rows(), batch.rows());
        long channels = cached("attention", batch, layer);
        require("attention: qkv", qkv, inputs, batch.rows(), 3 * channels);
        require("attention: out", out, List.of(qkv.dtype()), batch.rows(), channels);
    }

    /** Checks {@link Kernels#selectRows}'s arguments. */
    public void selectRows(Tensor x, int[] rows, Tensor out) {
        require("select rows: x", x, x.dtype() == stream ? List.of(stream) : inputs, x.dim(0), x.dim(1));
        require("select rows: out", out, List.of(x.dtype()), rows.length, x.dim(1));
        for (int row : rows) {
            Objects.checkIndex(row, x.dim(0));
        }
    }

    /** Checks {@link TokenChooser#choose}'s logits. */
    public void logits(Tensor logits) {
        require("choose: logits", logits, List.of(stream), logits.dim(0), logits.dim(1));
    }

    private long cached(String operation, RowBatch batch, int layer) {
        KvCache first = batch.cache(0);
        for (int s = 0; s < batch.sequenceCount(); s++) {
            KvCache cache = batch.cache(s);
            int positions = cache.length() + batch.endRow(s) - batch.firstRow(s);
            if (cache.heads() != first.heads() || cache.headChannels() != first.headChannels()
                    || (long) cache.blockCount() * KvCache.BLOCK_POSITIONS < positions
                    || cache.type() != first.type() || !cacheTypes.contains(cache.type())) {
                throw new IllegalArgumentException(operation + ": the cache of sequence " + s + " does not hold "
                        + positions + " positions of " + first.heads() + " heads of " + first.headChannels()
                        + " channels of one of " + cacheTypes);
            }
            Objects.checkIndex(layer, cache.layers());
        }
        return (long) first.heads() * first.headChannels();
    }

    private void require(String what, Tensor tensor, List<DType> types, long... dims) {
        boolean fits = tensor.place() == place && types.contains(tensor.dtype()) && tensor.shape().rank() == dims.length;
        for (int i = 0; fits && i < dims.length; i++) {
            fits = tensor.dim(i) == dims[i];
        }
        if (!fits) {
            throw new IllegalArgumentException(what + ": expected one of " + types + " " + Arrays.toString(dims)
                    + " on the " + place + ", found " + tensor.dtype() + " " + tensor.shape() + " on the "
                    + tensor.place());
        }
    }
}
