package dev.isthmus.engine.kernels;

import dev.isthmus.engine.config.WeightType;

/**
 * A weight matrix of K inputs and N outputs in the form that its backend computes with. It is made by
 * {@link WeightMemory#matrix} and filled by {@link WeightMemory#pack}.
 */
public sealed interface Matrix permits PlainMatrix, PackedMatrix, DeviceMatrix {

    /** How the weights are kept. */
    WeightType type();

    /** K. */
    int inputs();

    /** N. */
    int outputs();
}
