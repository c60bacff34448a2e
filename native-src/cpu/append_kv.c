#include "kernels.h"
#include "simd_narrow.h"

/* to[d] = x[d] rounded to binary16 for d in [0, D). */
static void round_row(u16 *restrict to, const f32 *restrict x, int64_t D)
{
    int64_t d = 0;
    for (; d + LANES <= D; d += LANES)
        v_store_f16(to + d, v_load(x + d));
    for (; d < D; d++)
        to[d] = f16_of(x[d]);
}

void KERNEL(append_kv)(const f32 *restrict qkv, const i32 *positions, const i32 *sequences,
                       const struct kv_cache *cache, int64_t t0, int64_t t1)
{
    u16 halves[ISTHMUS_MOST_HEAD_CHANNELS];
    const int64_t D = cache->D, C = cache->H * D;
    for (int64_t t = t0; t < t1; t++)
        for (int64_t h = 0; h < cache->H; h++) {
            const f32 *key = qkv + t * 3 * C + C + h * D, *value = key + C;
            char *keys = key_tile(cache, sequences[t], positions[t], h);
            char *values = value_tile(cache, sequences[t], positions[t], h);
            const int64_t slot = positions[t] % ISTHMUS_CACHE_BLOCK;
            if (cache->type == ISTHMUS_TYPE_F32) {
                for (int64_t d = 0; d < D; d++)
                    ((f32 *)(void *)keys)[d * ISTHMUS_CACHE_BLOCK + slot] = key[d];
                memcpy(values + slot * value_stride(D) * 4, value, (size_t)D * sizeof(float));
            } else {
                round_row(halves, key, D);
                for (int64_t d = 0; d < D; d++)
                    ((u16 *)(void *)keys)[d * ISTHMUS_CACHE_BLOCK + slot] = halves[d];
                round_row((u16 *)(void *)values + slot * value_stride(D), value, D);
            }
        }
}
