package dev.isthmus.engine.kernels;

import dev.isthmus.engine.config.WeightType;
import java.lang.foreign.MemorySegment;

/** Weights for kernels in Java: matrices in float32 as a checkpoint has them. */
public final class PlainWeights implements WeightMemory {

    /** The only one; it has no state. */
    public static final PlainWeights INSTANCE = new PlainWeights();

    private PlainWeights() {}

    @Override
    public long matrixBytes(WeightType type, int inputs, int outputs) {
        return PlainMatrix.bytes(inputs, outputs);
    }

    @Override
    public Matrix matrix(WeightType type, Layout layout, int inputs, int outputs, MemorySegment memory) {
        return PlainMatrix.of(type, layout, inputs, outputs, memory);
    }

    @Override
    public void pack(Matrix matrix, Layout layout, MemorySegment weights, int k0, int k1, int n0, int n1) {
        ShapeChecks.pack(matrix, weights, k0, k1, n0, n1);
        PlainMatrix.of(matrix).pack(weights, k0, k1, n0, n1);
    }
}
