#include "cache.h"

#include <math.h>

void cache_new(struct cache *cache, int sequences, int64_t positions, int64_t block_positions, int64_t layer_offset,
               int64_t H, int64_t D)
{
    const int64_t each = (positions + block_positions - 1) / block_positions;
    cache->count = each * sequences;
    cache->block_positions = block_positions;
    cache->layer_offset = layer_offset;
    cache->H = H;
    cache->D = D;
    for (int64_t b = 0; b < cache->count; b++) {
        cache->block[b] = tensor_new(layer_offset + 2 * H * block_positions * D, (int)(b % 4));
        for (int64_t i = 0; i < cache->block[b].size; i++)
            set(&cache->block[b], i, NAN);
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

struct tensor *cache_at(struct cache *cache, int value, int32_t sequence, int64_t position, int64_t h, int64_t d,
                        int64_t *index)
{
    const int64_t size = cache->block_positions;
    *index = cache->layer_offset + ((value * cache->H + h) * size + position % size) * cache->D + d;
    return &cache->block[cache->block_start[sequence] + position / size];
}
