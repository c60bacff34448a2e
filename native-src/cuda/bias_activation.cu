#include "activation.h"

template <class I, class O>
__device__ void bias_activation(const I *y, int stride, const float *bias, O *out, int N, int activation)
{
    enum { COLUMNS = 1024 }; /* of a block */
    y += (int64_t)blockIdx.x * stride;
    out += (int64_t)blockIdx.x * N;
    const int end = min((blockIdx.y + 1) * COLUMNS, N);
    for (int n = blockIdx.y * COLUMNS + threadIdx.x; n < end; n += blockDim.x)
        out[n] = of_float<O>(activate(to_float(y[n]) + (bias ? bias[n] : 0), activation));
}

#define DEFINE_BIAS_ACTIVATION(I, O, names)                                                                             \
    __global__ void __launch_bounds__(256)                                                                              \
        bias_activation_##names(const I *y, int32_t stride, const float *bias, O *out, int32_t N, int32_t activation)   \
    {                                                                                                                   \
        bias_activation(y, stride, bias, out, N, activation);                                                           \
    }
FOR_BIAS_ACTIVATIONS(DEFINE_BIAS_ACTIVATION)
