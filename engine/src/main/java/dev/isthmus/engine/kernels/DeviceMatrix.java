package dev.isthmus.engine.kernels;

import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.tensor.Tensor;

/**
 * A weight matrix in a device's memory.
 *
 * @param type how the weights are kept: F32, F16 or BF16
 * @param weight [N, K] of that type, on the device
 */
public record DeviceMatrix(WeightType type, Tensor weight) implements Matrix {

    @Override
    public int inputs() {
        return (int) weight.dim(1);
    }

    @Override
    public int outputs() {
        return (int) weight.dim(0);
    }
}
