package dev.isthmus.engine.kernels;

import dev.isthmus.engine.tensor.Tensor;

/**
 * The weights of a layer normalisation.
 *
 * @param weight [C], the gain
 * @param bias [C]
 * @param epsilon what is added to the variance
 */
public record LayerNorm(Tensor weight, Tensor bias, double epsilon) {}
