#include "kernels.h"

void KERNEL(append_kv)(const f32 *restrict qkv, const i32 *positions, const i32 *sequences,
                       const struct kv_cache *cache, int64_t t0, int64_t t1)
{
    const int64_t D = cache->D, C = cache->H * D;
    const size_t bytes = (size_t)D * sizeof(float);
    for (int64_t t = t0; t < t1; t++)
        for (int64_t h = 0; h < cache->H; h++) {
            const f32 *query = qkv + t * 3 * C + h * D;
            f32 *key = key_row(cache, sequences[t], positions[t], h);
            memcpy(key, query + C, bytes);
            memcpy(key + value_offset(cache), query + 2 * C, bytes);
        }
}
