package dev.isthmus.engine.model;

import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.kernels.Kernels;
import dev.isthmus.engine.kernels.Passes;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.Arena;

/**
 * The activations of one forward pass, reused from pass to pass and allocated anew only when a pass has more rows than
 * any before. Not safe for use by several threads at once.
 */
public final class Scratch implements AutoCloseable {

    private final Gpt2Config config;
    private final WeightType type;
    private final Kernels kernels;
    private Passes passes = Passes.DIRECT;
    private Arena arena = Arena.ofShared();
    private int capacity;
    private int outputCapacity;
    private Tensor x;
    private Tensor h;
    private Tensor qkv;
    private Tensor attention;
    private Tensor inner;
    private Tensor selected;
    private Tensor normed;
    private Tensor logits;

    /**
     * Scratch for passes of one model on one backend.
     *
     * @param type how the model's matrices are kept
     */
    public Scratch(Gpt2Config config, WeightType type, Kernels kernels) {
        this.config = config;
        this.type = type;
        this.kernels = kernels;
    }

    /** The views of a pass. */
    record Views(Tensor x, Tensor h, Tensor qkv, Tensor attention, Tensor inner, Tensor selected, Tensor normed,
            Tensor logits) {}

    /** Views of {@code rows} rows, of which {@code outputs} get logits; contents are whatever was there. */
    Views views(int rows, int outputs) {
        if (rows > capacity || outputs > outputCapacity) {
            allocate(Math.max(rows, capacity), Math.max(outputs, outputCapacity));
        }
        return new Views(x.rows(rows), h.rows(rows), qkv.rows(rows), attention.rows(rows), inner.rows(rows),
                selected.rows(outputs), normed.rows(outputs), logits.rows(outputs));
    }

    /** What runs the passes that compute in these views. */
    Passes passes() {
        return passes;
    }

    private void allocate(int rows, int outputs) {
        Arena larger = Arena.ofShared();
        try {
            int c = config.channels();
            x = kernels.allocate(larger, rows, c);
            h = kernels.allocateInputs(type, larger, rows, c);
            qkv = kernels.allocateInputs(type, larger, rows, 3L * c);
            attention = kernels.allocateInputs(type, larger, rows, c);
            inner = kernels.allocateInputs(type, larger, rows, config.inner());
            selected = kernels.allocate(larger, outputs, c);
            normed = kernels.allocateInputs(type, larger, outputs, c);
            logits = kernels.allocate(larger, outputs, config.vocabulary());
        } catch (Throwable failed) {
            larger.close();
            throw failed;
        }
        close();
        passes = kernels.newPasses();
        arena = larger;
        capacity = rows;
        outputCapacity = outputs;
    }

    /** Frees the memory. */
    @Override
    public void close() {
        passes.close();
        arena.close();
    }
}
