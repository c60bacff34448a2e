#include "activation.h"

template <class I, class O> __device__ void bias_activation(const I *y, const float *bias, O *out, int N, int activation)
{
    enum { COLUMNS = 1024 }; /* of a block */
    const int64_t row = (int64_t)blockIdx.x * N;
    const int end = min((blockIdx.y + 1) * COLUMNS, N);
    for (int n = blockIdx.y * COLUMNS + threadIdx.x; n < end; n += blockDim.x)
        out[row + n] = of_float<O>(activate(to_float(y[row + n]) + (bias ? bias[n] : 0), activation));
}

#define DEFINE_BIAS_ACTIVATION(I, O, names)                                                                             \
    __global__ void __launch_bounds__(256)                                                                              \
        bias_activation_##names(const I *y, const float *bias, O *out, int32_t N, int32_t activation)                   \
    {                                                                                                                   \
        bias_activation(y, bias, out, N, activation);                                                                   \
    }
FOR_BIAS_ACTIVATIONS(DEFINE_BIAS_ACTIVATION)
