/* Where keys and values lie in the KV cache, as isthmus.h describes it. */
#ifndef ISTHMUS_KV_H
#define ISTHMUS_KV_H

#include "kernels.h"

/* D', the distance between two positions' values. */
INLINE int64_t value_stride(int64_t D)
{
    return rounded_up(D, 16);
}

/* The bytes of a head's keys in a block without their scales, and of its values. */
INLINE int64_t key_bytes(const struct isthmus_kv *kv)
{
    const int64_t D = kv->D;
    return ISTHMUS_CACHE_BLOCK * (kv->type == ISTHMUS_TYPE_INT8 ? rounded_up(D, 4) : D * element_bytes(kv->type));
}

INLINE int64_t value_bytes(const struct isthmus_kv *kv)
{
    return ISTHMUS_CACHE_BLOCK * value_stride(kv->D) * element_bytes(kv->type);
}

INLINE int64_t scale_bytes(const struct isthmus_kv *kv)
{
    return kv->type == ISTHMUS_TYPE_INT8 ? ISTHMUS_CACHE_BLOCK * (int64_t)sizeof(float) : 0;
}

/* The keys of head h in the block of position p. */
INLINE char *key_tile(const struct isthmus_kv *kv, int64_t sequence, int64_t p, int64_t h)
{
    const u64 *blocks = (const u64 *)kv->blocks + ((const i64 *)kv->block_start)[sequence];
    char *block = (char *)(uintptr_t)blocks[p / ISTHMUS_CACHE_BLOCK];
    return block + kv->layer_offset + h * (key_bytes(kv) + scale_bytes(kv));
}

/* The values of head h in the block of position p. */
INLINE char *value_tile(const struct isthmus_kv *kv, int64_t sequence, int64_t p, int64_t h)
{
    return key_tile(kv, sequence, p, kv->H) + h * (value_bytes(kv) + scale_bytes(kv));
}

/* The scales [ISTHMUS_CACHE_BLOCK] after INT8 keys, and after values. */
INLINE f32 *key_scales(const struct isthmus_kv *kv, char *keys)
{
    return (f32 *)(void *)(keys + key_bytes(kv));
}

INLINE f32 *value_scales(const struct isthmus_kv *kv, char *values)
{
    return (f32 *)(void *)(values + value_bytes(kv));
}

#endif
