#include "elements.h"

template <class E>
__device__ void embedding(const E *wte, const float *wpe, const int32_t *tokens, const int32_t *positions, float *x,
                          int C, int V, int P)
{
    const int64_t t = blockIdx.x;
    const int token = tokens[t], position = positions[t];
    const bool known = token >= 0 && token < V && position >= 0 && position < P;
    for (int c = threadIdx.x; c < C; c += blockDim.x)
        x[t * C + c] = known ? to_float(wte[(int64_t)token * C + c]) + wpe[(int64_t)position * C + c] : NAN;
}

#define DEFINE_EMBEDDING(E, name)                                                                                       \
    __global__ void __launch_bounds__(256)                                                                              \
        embedding_##name(const E *wte, const float *wpe, const int32_t *tokens, const int32_t *positions, float *x,     \
                         int32_t C, int32_t V, int32_t P)                                                               \
    {                                                                                                                   \
        embedding(wte, wpe, tokens, positions, x, C, V, P);                                                             \
    }
FOR_ELEMENTS(DEFINE_EMBEDDING)
