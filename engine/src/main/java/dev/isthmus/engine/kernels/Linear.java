package dev.isthmus.engine.kernels;

import dev.isthmus.engine.tensor.Tensor;

/**
 * The weights of a linear map from K inputs to N outputs.
 *
 * @param weight [K, N] or [N, K], by layout
 * @param layout which of the two
 * @param bias [N], or null for none
 */
public record Linear(Tensor weight, Layout layout, Tensor bias) {

    /** K, the number of inputs. */
    public int inputs() {
        return (int) weight.dim(layout == Layout.IN_OUT ? 0 : 1);
    }

    /** N, the number of outputs. */
    public int outputs() {
        return (int) weight.dim(layout == Layout.IN_OUT ? 1 : 0);
    }
}
