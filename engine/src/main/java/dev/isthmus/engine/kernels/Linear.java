package dev.isthmus.engine.kernels;

import dev.isthmus.engine.tensor.Tensor;

/**
 * The weights of a linear map from K inputs to N outputs.
 *
 * @param weight the matrix
 * @param bias [N], or null for none
 */
public record Linear(Matrix weight, Tensor bias) {

    /** K, the number of inputs. */
    public int inputs() {
        return weight.inputs();
    }

    /** N, the number of outputs. */
    public int outputs() {
        return weight.outputs();
    }
}
