/*
 * Layer norm in three passes over a row: sum, squared differences from the mean, result. Each thread comes back to its
 * own elements, which the cache still holds.
 */
#include "elements.h"

/* A row's elements behind the addition of y and its bias, where there are any. */
__device__ static float add_residual(float *x, const float *y, const float *y_bias, int c)
{
    float value = x[c];
    if (y)
        value += y[c];
    if (y_bias)
        value += y_bias[c];
    if (y || y_bias)
        x[c] = value;
    return value;
}

template <class E>
__device__ void layer_norm(float *x, const float *y, const float *y_bias, const float *weight, const float *bias, E *out,
                           int C, float epsilon)
{
    __shared__ float sums[WARP], squares[WARP];
    const int64_t row = (int64_t)blockIdx.x * C;
    x += row;
    if (y)
        y += row;

    float sum = 0;
    for (int c = threadIdx.x; c < C; c += blockDim.x)
        sum += add_residual(x, y, y_bias, c);
    const float mean = reduce_block(sum, add(), sums) / C;

    float square = 0;
    for (int c = threadIdx.x; c < C; c += blockDim.x)
        square += (x[c] - mean) * (x[c] - mean);
    const float inverse = 1 / sqrtf(reduce_block(square, add(), squares) / C + epsilon);

    for (int c = threadIdx.x; c < C; c += blockDim.x)
        out[row + c] = of_float<E>((x[c] - mean) * inverse * weight[c] + bias[c]);
}

#define DEFINE_LAYER_NORM(E, name)                                                                                      \
    __global__ void __launch_bounds__(256) layer_norm_##name(const float *x, const float *weight, const float *bias,    \
                                                             E *out, int32_t C, float epsilon)                          \
    {                                                                                                                   \
        layer_norm(const_cast<float *>(x), nullptr, nullptr, weight, bias, out, C, epsilon);                            \
    }                                                                                                                   \
    __global__ void __launch_bounds__(256)                                                                              \
        residual_layer_norm_##name(float *x, const float *y, const float *y_bias, const float *weight,                  \
                                   const float *bias, E *out, int32_t C, float epsilon)                                 \
    {                                                                                                                   \
        layer_norm(x, y, y_bias, weight, bias, out, C, epsilon);                                                        \
    }
FOR_ELEMENTS(DEFINE_LAYER_NORM)

__global__ void __launch_bounds__(256) residual_add(float *x, const float *y, const float *y_bias, int32_t C)
{
    const int64_t row = (int64_t)blockIdx.x * C;
    for (int c = threadIdx.x; c < C; c += blockDim.x)
        add_residual(x + row, y ? y + row : nullptr, y_bias, c);
}
