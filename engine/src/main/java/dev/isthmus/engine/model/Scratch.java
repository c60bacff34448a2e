package dev.isthmus.engine.model;

import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.kernels.Backend;
import dev.isthmus.engine.kernels.Passes;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.Arena;

/**
 * The activations of one forward pass, reused from pass to pass and allocated anew only when a pass has more rows than
 * there is room for. Not safe for use by several threads at once.
 */
public final class Scratch implements AutoCloseable {

    /** A pass of so many times fewer rows than there is room for gives the room back. */
    private static final int FEWER = 16;

    private final Gpt2Config config;
    private final WeightType type;
    private final Backend backend;
    private Passes passes = Passes.DIRECT;

    private Arena ofRows = Arena.ofShared();
    private int capacity;
    private Tensor x;
    private Tensor h;
    /** Queries, keys and values, then attention's result; after these the feed-forward layer's inner activations. */
    private Tensor wide;
    private long rowBytes;

    private Arena ofOutputs = Arena.ofShared();
    /** Less than the none of a first pass. */
    private int outputCapacity = -1;
    private Tensor outputX;
    private Tensor outputAttention;
    private Tensor logits;
    private long outputBytes;

    /**
     * Scratch for passes of one model on one backend.
     *
     * @param type how the model's matrices are kept
     */
    public Scratch(Gpt2Config config, WeightType type, Backend backend) {
        this.config = config;
        this.type = type;
        this.backend = backend;
    }

    /**
     * Some rows of a pass.
     *
     * @param x the residual stream [T, C]
     * @param attention attention's result [T, C]
     * @param h a layer norm's result [T, C]
     * @param inner the feed-forward layer's inner activations; where queries, keys, values and attention's result were
     */
    record Rows(Tensor x, Tensor attention, Tensor h, Tensor inner) {}

    /**
     * What a pass computes in.
     *
     * @param rows all rows
     * @param qkv the queries, keys and values of all rows [T, 3C]
     * @param outputs the rows that get logits; h and inner are the first of all rows'
     * @param logits [outputs, V]
     */
    record Views(Rows rows, Tensor qkv, Rows outputs, Tensor logits) {}

    /** Views of {@code rows} rows, of which {@code outputs} get logits; contents are whatever was there. */
    Views views(int rows, int outputs) {
        if (rows > capacity || outputs > outputCapacity) {
            passes.close();
            passes = Passes.DIRECT;
            if (rows > capacity) {
                allocateRows(rows);
            }
            if (outputs > outputCapacity) {
                allocateOutputs(outputs);
            }
            passes = backend.newPasses();
        }
        long c = config.channels();
        Rows all = new Rows(x.rows(rows), wide.view(rows * 3 * c, rows, c), h.rows(rows), inner(rows));
        Rows ofOutputs = new Rows(outputX.rows(outputs), outputAttention.rows(outputs), h.rows(outputs), inner(outputs));
        return new Views(all, wide.view(0, rows, 3 * c), ofOutputs, logits.rows(outputs));
    }

    private Tensor inner(int rows) {
        return wide.view(0, rows, config.inner());
    }

    /**
     * Frees what a prompt took if a next pass of {@code rows} rows shows that it is over. Passes that a device has
     * recorded are worth more than the memory that they compute in.
     */
    void expect(int rows) {
        if (rows < capacity / FEWER && passes == Passes.DIRECT) {
            freeRows();
        }
    }

    /** The bytes of the activations that there is room for. */
    long bytes() {
        return rowBytes + outputBytes;
    }

    /** Whether a device may have recorded passes that compute here. */
    boolean isRecorded() {
        return passes != Passes.DIRECT;
    }

    /** What runs the passes that compute in these views. */
    Passes passes() {
        return passes;
    }

    /** What was there goes first, so that both are never held at a time. */
    private void allocateRows(int rows) {
        freeRows();
        int c = config.channels();
        x = backend.tensors().allocate(ofRows, rows, c);
        h = backend.tensors().allocateInputs(type, ofRows, rows, c);
        wide = backend.tensors().allocateInputs(type, ofRows, rows, Math.max(4L * c, config.inner()));
        capacity = rows;
        rowBytes = x.bytes() + h.bytes() + wide.bytes();
    }

    private void freeRows() {
        capacity = 0;
        rowBytes = 0;
        ofRows.close();
        ofRows = Arena.ofShared();
    }

    private void allocateOutputs(int outputs) {
        outputCapacity = -1;
        outputBytes = 0;
        ofOutputs.close();
        ofOutputs = Arena.ofShared();
        outputX = backend.tensors().allocate(ofOutputs, outputs, config.channels());
        outputAttention = backend.tensors().allocateInputs(type, ofOutputs, outputs, config.channels());
        logits = backend.tensors().allocate(ofOutputs, outputs, config.vocabulary());
        outputCapacity = outputs;
        outputBytes = outputX.bytes() + outputAttention.bytes() + logits.bytes();
    }

    /** Frees the memory. */
    @Override
    public void close() {
        passes.close();
        ofRows.close();
        ofOutputs.close();
    }
}
