/* The activations. */
#ifndef ISTHMUS_CUDA_ACTIVATION_H
#define ISTHMUS_CUDA_ACTIVATION_H

#include "elements.h"

/* x/2 (1 + tanh u) = x / (1 + e^-2u), u = sqrt(2/pi) (x + 0.044715 x^3): the right side has no cancellation for negative
 * x. expf, not its fast form, whose error grows with 2u. Where e^-2u overflows the quotient is -0, its limit. */
__device__ inline float gelu_tanh(float x)
{
    return x / (1 + expf(-1.5957691216057308f * x * (1 + 0.044715f * x * x))); /* 2 sqrt(2/pi) */
}

/* x/2 (1 + erf(x / sqrt 2)) = x/2 erfc(-x / sqrt 2), which keeps its digits for negative x. */
__device__ inline float gelu_erf(float x)
{
    return 0.5f * x * erfcf(-0.70710678118654752f * x);
}

__device__ inline float activate(float x, int activation)
{
    switch (activation) {
    case ACTIVATION_GELU_TANH:
        return gelu_tanh(x);
    case ACTIVATION_GELU_ERF:
        return gelu_erf(x);
    case ACTIVATION_RELU:
        return x < 0 ? 0 : x;
    default:
        return x;
    }
}

#endif
