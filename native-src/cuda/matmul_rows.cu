/*
 * Matrix products of a few rows, which take as long as reading the weights takes: a warp streams an output's weights once
 * and multiplies them with every row, whose few inputs stay in the cache.
 */
#include "activation.h"

namespace matmul {

/* For up to ROWS rows; those from T on repeat the last one and are not written. */
template <int ROWS, class E, class O>
__device__ void multiply(const E *in, const E *w, const float *bias, O *out, int T, int K, int N, int activation,
                         int store)
{
    constexpr int SIZE = vector<E>::SIZE, AT_ONCE = 4; /* loads of weights that a lane has under way */
    const int lane = threadIdx.x % WARP, n = blockIdx.x * MATMUL_ROWS_OUTPUTS + threadIdx.x / WARP;
    if (n >= N)
        return;
    w += (int64_t)n * K;

    float sums[ROWS];
#pragma unroll
    for (int t = 0; t < ROWS; t++)
        sums[t] = 0;
    for (int k0 = lane * SIZE; k0 < K; k0 += AT_ONCE * WARP * SIZE) {
        vector<E> weights[AT_ONCE];
#pragma unroll
        for (int u = 0; u < AT_ONCE; u++)
            if (k0 + u * WARP * SIZE < K)
                weights[u] = load(w + k0 + u * WARP * SIZE);
#pragma unroll
        for (int u = 0; u < AT_ONCE; u++)
            if (k0 + u * WARP * SIZE < K)
#pragma unroll
                for (int t = 0; t < ROWS; t++) {
                    const vector<E> inputs = load(in + (int64_t)min(t, T - 1) * K + k0 + u * WARP * SIZE);
#pragma unroll
                    for (int i = 0; i < SIZE; i++)
                        sums[t] += to_float(inputs.of[i]) * to_float(weights[u].of[i]);
                }
    }

#pragma unroll
    for (int t = 0; t < ROWS; t++) {
        const float sum = reduce_warp(sums[t], add()) + (bias ? bias[n] : 0);
        if (lane == t && t < T) {
            O &to = out[(int64_t)t * N + n];
            to = of_float<O>(store == ADD ? to_float(to) + sum : activate(sum, activation));
        }
    }
}

}

#define DEFINE_MATMUL_ROWS(E, O, names)                                                                                 \
    __global__ void __launch_bounds__(256)                                                                              \
        matmul_rows_##names(const E *in, const E *w, const float *bias, O *out, int32_t T, int32_t K, int32_t N,        \
                            int32_t activation, int32_t store)                                                          \
    {                                                                                                                   \
        if (T == 1)                                                                                                     \
            matmul::multiply<1>(in, w, bias, out, T, K, N, activation, store);                                          \
        else if (T == 2)                                                                                                \
            matmul::multiply<2>(in, w, bias, out, T, K, N, activation, store);                                          \
        else if (T <= 4)                                                                                                \
            matmul::multiply<4>(in, w, bias, out, T, K, N, activation, store);                                          \
        else                                                                                                            \
            matmul::multiply<MATMUL_ROWS_MOST>(in, w, bias, out, T, K, N, activation, store);                           \
    }
FOR_MATMUL_ROWS(DEFINE_MATMUL_ROWS)
