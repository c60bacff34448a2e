#include "kernels.h"
#include "simd_narrow.h"

void KERNEL(append_kv)(const f32 *restrict qkv, const i32 *positions, const i32 *sequences,
                       const struct kv_cache *cache, int64_t t0, int64_t t1)
{
    const int64_t D = cache->D, C = cache->H * D;
    for (int64_t t = t0; t < t1; t++)
        for (int64_t h = 0; h < cache->H; h++) {
            const f32 *key = qkv + t * 3 * C + C + h * D, *value = key + C;
            char *keys = key_tile(cache, sequences[t], positions[t], h);
            char *values = value_tile(cache, sequences[t], positions[t], h);
            const int64_t slot = positions[t] % ISTHMUS_CACHE_BLOCK;
            if (cache->type == ISTHMUS_TYPE_F32)
                for (int64_t d = 0; d < D; d++) {
                    ((f32 *)(void *)keys)[d * ISTHMUS_CACHE_BLOCK + slot] = key[d];
                    ((f32 *)(void *)values)[slot * value_stride(D) + d] = value[d];
                }
            else
                for (int64_t d = 0; d < D; d++) {
                    ((u16 *)(void *)keys)[d * ISTHMUS_CACHE_BLOCK + slot] = f16_of(key[d]);
                    ((u16 *)(void *)values)[slot * value_stride(D) + d] = f16_of(value[d]);
                }
        }
}
