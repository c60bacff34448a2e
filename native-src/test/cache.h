/* A KV cache for tests: sequences whose blocks lie in no particular order, each block a tensor of its own. */
#ifndef ISTHMUS_TEST_CACHE_H
#define ISTHMUS_TEST_CACHE_H

#include "test.h"

enum { CACHE_MAX_BLOCKS = 64, CACHE_MAX_SEQUENCES = 4 };

struct cache {
    struct tensor block[CACHE_MAX_BLOCKS];
    uint64_t blocks[CACHE_MAX_BLOCKS];
    int64_t block_start[CACHE_MAX_SEQUENCES];
    int64_t count, layer_offset, H, D;
    int32_t type;
};

/* Blocks for `sequences` sequences of up to `positions` positions; all elements are NaN, as F32 and as F16, and so are
 * the scales of INT8. The layer is the last in its blocks, which end with it; layer_offset is a multiple of four. */
void cache_new(struct cache *cache, int sequences, int64_t positions, int32_t type, int64_t layer_offset, int64_t H,
               int64_t D);
void cache_free(struct cache *cache);
/* The scale of a head's INT8 key or value; 0 of other types. */
double cache_scale(const struct cache *cache, int value, int32_t sequence, int64_t position, int64_t h);
/* Element d of the key (value = 0) or value (value = 1) of a position. */
double cache_get(const struct cache *cache, int value, int32_t sequence, int64_t position, int64_t h, int64_t d);
/* Sets all D elements of a head's key or value, as the cache's type rounds them. */
void cache_set_all(struct cache *cache, int value, int32_t sequence, int64_t position, int64_t h, const float *x);
/* Sets one; with INT8, all are rounded again to the new largest. */
void cache_set(struct cache *cache, int value, int32_t sequence, int64_t position, int64_t h, int64_t d, float x);

/* bytes[i] = x[i] / scale, rounded; returns the scale: 127 are the largest magnitude, NaN if that is not finite. */
float round_to_scale(const float *x, int64_t count, int *bytes);

#endif
