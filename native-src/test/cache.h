/* A KV cache for tests: sequences whose blocks lie in no particular order, each block a tensor of its own. */
#ifndef ISTHMUS_TEST_CACHE_H
#define ISTHMUS_TEST_CACHE_H

#include "test.h"

enum { CACHE_MAX_BLOCKS = 256, CACHE_MAX_SEQUENCES = 4 };

struct cache {
    struct tensor block[CACHE_MAX_BLOCKS];
    uint64_t blocks[CACHE_MAX_BLOCKS];
    int64_t block_start[CACHE_MAX_SEQUENCES];
    int64_t count, block_positions, layer_offset, H, D;
};

/* Blocks for `sequences` sequences of up to `positions` positions; all floats are NaN. */
void cache_new(struct cache *cache, int sequences, int64_t positions, int64_t block_positions, int64_t layer_offset,
               int64_t H, int64_t D);
void cache_free(struct cache *cache);
/* Element d of the key (value = 0) or value (value = 1) of a position: its tensor and its index there. */
struct tensor *cache_at(struct cache *cache, int value, int32_t sequence, int64_t position, int64_t h, int64_t d,
                        int64_t *index);

#endif
