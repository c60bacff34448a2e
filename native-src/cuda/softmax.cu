#include "elements.h"

__global__ void __launch_bounds__(256) softmax(float *x, int32_t N)
{
    __shared__ float maxima[WARP], sums[WARP];
    float *row = x + (int64_t)blockIdx.x * N;

    float maximum = -INFINITY;
    for (int n = threadIdx.x; n < N; n += blockDim.x)
        maximum = greatest()(row[n], maximum);
    maximum = reduce_block(maximum, greatest(), maxima);

    float sum = 0;
    for (int n = threadIdx.x; n < N; n += blockDim.x) {
        row[n] = expf(row[n] - maximum);
        sum += row[n];
    }
    const float inverse = 1 / reduce_block(sum, add(), sums);
    for (int n = threadIdx.x; n < N; n += blockDim.x)
        row[n] *= inverse;
}
