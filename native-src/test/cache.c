#include "cache.h"

#include "packed.h"

static int64_t element_bytes(int32_t type)
{
    return type == ISTHMUS_TYPE_F16 ? 2 : 4;
}

void cache_new(struct cache *cache, int sequences, int64_t positions, int32_t type, int64_t layer_offset, int64_t H,
               int64_t D)
{
    const int64_t each = (positions + 63) / 64, padded = (D + 15) / 16 * 16;
    cache->count = each * sequences;
    cache->layer_offset = layer_offset;
    cache->H = H;
    cache->D = D;
    cache->type = type;
    for (int64_t b = 0; b < cache->count; b++) {
        cache->block[b] = tensor_new((layer_offset + H * 64 * (D + padded) * element_bytes(type)) / 4, (int)(b % 4));
        for (int64_t i = 0; i < cache->block[b].size; i++)
            set(&cache->block[b], i, float_of_bits(0x7fff7fff));
        cache->blocks[b] = (uint64_t)(uintptr_t)cache->block[b].data;
    }
    for (int s = 0; s < sequences; s++) /* the last sequence's blocks come first */
        cache->block_start[s] = (sequences - 1 - s) * each;
}

void cache_free(struct cache *cache)
{
    for (int64_t b = 0; b < cache->count; b++)
        tensor_free(&cache->block[b]);
}

/* The byte in a block where the element lies. */
static int64_t byte_of(const struct cache *cache, int value, int64_t position, int64_t h, int64_t d)
{
    const int64_t H = cache->H, D = cache->D, padded = (D + 15) / 16 * 16, slot = position % 64;
    const int64_t element = value ? H * D * 64 + (h * 64 + slot) * padded + d : (h * D + d) * 64 + slot;
    return cache->layer_offset + element * element_bytes(cache->type);
}

double cache_get(const struct cache *cache, int value, int32_t sequence, int64_t position, int64_t h, int64_t d)
{
    const struct tensor *block = &cache->block[cache->block_start[sequence] + position / 64];
    const int64_t byte = byte_of(cache, value, position, h, d);
    return cache->type == ISTHMUS_TYPE_F16 ? half_value(get_u16(block, byte)) : (double)get(block, byte / 4);
}

void cache_set(struct cache *cache, int value, int32_t sequence, int64_t position, int64_t h, int64_t d, float x)
{
    struct tensor *block = &cache->block[cache->block_start[sequence] + position / 64];
    const int64_t byte = byte_of(cache, value, position, h, d);
    if (cache->type == ISTHMUS_TYPE_F16)
        set_u16(block, byte, nearest_half(x));
    else
        set(block, byte / 4, x);
}
