#include "elements.h"

#define DEFINE_CONVERT(I, O, names)                                                                                     \
    __global__ void __launch_bounds__(256) convert_##names(const I *in, O *out, int64_t n)                              \
    {                                                                                                                   \
        const int64_t first = (int64_t)blockIdx.x * 1024, end = min(first + 1024, n);                                   \
        for (int64_t i = first + threadIdx.x; i < end; i += blockDim.x)                                                 \
            out[i] = of_float<O>(to_float(in[i]));                                                                      \
    }
FOR_CONVERSIONS(DEFINE_CONVERT)

/* By tiles in shared memory, so that both sides are touched in whole lines. The odd stride keeps a column's elements in
 * different banks. */
template <class E> __device__ void transpose(const float *in, E *out, int K, int N)
{
    enum { TILE = 32 };
    __shared__ float tile[TILE][TILE + 1];
    const int k0 = blockIdx.y * TILE, n0 = blockIdx.x * TILE, lane = threadIdx.x;
    for (int i = threadIdx.y; i < TILE; i += blockDim.y)
        if (k0 + i < K && n0 + lane < N)
            tile[i][lane] = in[(int64_t)(k0 + i) * N + n0 + lane];
    __syncthreads();
    for (int i = threadIdx.y; i < TILE; i += blockDim.y)
        if (n0 + i < N && k0 + lane < K)
            out[(int64_t)(n0 + i) * K + k0 + lane] = of_float<E>(tile[lane][i]);
}

#define DEFINE_TRANSPOSE(E, name)                                                                                       \
    __global__ void __launch_bounds__(256) transpose_f32_##name(const float *in, E *out, int32_t K, int32_t N)          \
    {                                                                                                                   \
        transpose(in, out, K, N);                                                                                       \
    }
FOR_ELEMENTS(DEFINE_TRANSPOSE)
