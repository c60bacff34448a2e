#include "cache.h"

template <class E>
__device__ void append_kv(const E *qkv, const float *bias, E *q, const int32_t *positions, const int32_t *sequences,
                          const uint64_t *blocks, const int64_t *block_start, int64_t layer_offset, int H, int D)
{
    enum { COLUMNS = 1024 }; /* of a block */
    const int64_t t = blockIdx.x;
    const int C = H * D, end = min((blockIdx.y + 1) * COLUMNS, 3 * C);
    const int position = positions[t], slot = position % CACHE_BLOCK;
    E *const layer = cached_layer<E>(blocks + block_start[sequences[t]], position / CACHE_BLOCK, layer_offset);
    for (int n = blockIdx.y * COLUMNS + threadIdx.x; n < end; n += blockDim.x) {
        const E value = bias ? of_float<E>(to_float(qkv[t * 3 * C + n]) + bias[n]) : qkv[t * 3 * C + n];
        if (n < C) {
            if (q)
                q[t * C + n] = value;
        } else {
            /* The heads of the keys, then those of the values. */
            const int head = (n - C) / D, d = (n - C) % D;
            layer[((int64_t)head * CACHE_BLOCK + slot) * D + d] = value;
        }
    }
}

#define DEFINE_APPEND_KV(E, name)                                                                                       \
    __global__ void __launch_bounds__(256)                                                                              \
        append_kv_##name(const E *qkv, const float *bias, E *q, const int32_t *positions, const int32_t *sequences,     \
                         const uint64_t *blocks, const int64_t *block_start, int64_t layer_offset, int32_t H,           \
                         int32_t D)                                                                                     \
    {                                                                                                                   \
        append_kv(qkv, bias, q, positions, sequences, blocks, block_start, layer_offset, H, D);                         \
    }
FOR_ELEMENTS(DEFINE_APPEND_KV)
