/* Moving rows and elements. */
#include "elements.h"

__global__ void __launch_bounds__(256) select_rows(const float *x, const int32_t *rows, float *out, int32_t C)
{
    const int64_t from = (int64_t)rows[blockIdx.x] * C, to = (int64_t)blockIdx.x * C;
    for (int c = threadIdx.x; c < C; c += blockDim.x)
        out[to + c] = x[from + c];
}

__global__ void __launch_bounds__(256) advance(const int32_t *tokens, int32_t *positions, int32_t *chosen, int32_t *step,
                                               int32_t capacity, int32_t T)
{
    const int64_t slot = *step % capacity;
    __syncthreads(); /* all have read the step */
    for (int t = threadIdx.x; t < T; t += blockDim.x) {
        positions[t] += 1;
        if (chosen)
            chosen[slot * T + t] = tokens[t];
    }
    if (threadIdx.x == 0)
        *step += 1;
}
