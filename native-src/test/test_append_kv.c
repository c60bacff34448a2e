#include <math.h>

#include "cache.h"

static void appends(int32_t level, int64_t H, int64_t D, int64_t block_positions, int shift)
{
    enum { T = 6 };
    static const int32_t positions[T] = {0, 1, 2, 5, 4, 9}, sequences[T] = {0, 0, 1, 1, 2, 0};
    const int64_t C = H * D;
    struct cache cache;
    cache_new(&cache, 3, 10, block_positions, 3, H, D);
    struct tensor qkv = tensor_random(T * 3 * C, shift);
    for (int64_t t0 = 1, t1 = 4; t0 < T; t0 = t1, t1 = T)
        isthmus_append_kv(level, qkv.data, positions, sequences, cache.blocks, cache.block_start, block_positions, 3, H,
                          D, t0, t1);

    int right = 1;
    int64_t written = 0, i;
    for (int t = 1; t < T; t++)
        for (int64_t c = 0; c < C; c++)
            for (int value = 0; value < 2; value++) {
                struct tensor *block = cache_at(&cache, value, sequences[t], positions[t], c / D, c % D, &i);
                right &= get(block, i) == get(&qkv, (t * 3 + 1 + value) * C + c);
            }
    for (int64_t b = 0; b < cache.count; b++) {
        for (i = 0; i < cache.block[b].size; i++)
            written += !isnan(get(&cache.block[b], i));
        right &= guards_hold(&cache.block[b]);
    }
    check(right && written == (T - 1) * 2 * C, "%s, H = %d, D = %d, blocks of %d", level_name(level), (int)H, (int)D,
          (int)block_positions);
    tensor_free(&qkv);
    cache_free(&cache);
}

static void refuses(int32_t level)
{
    enum { H = 2, D = 3, BLOCK = 4 };
    struct cache cache;
    cache_new(&cache, 1, BLOCK, BLOCK, 0, H, D);
    struct tensor qkv = tensor_random(2 * 3 * H * D, 0);
    const int32_t positions[] = {0, 1}, sequences[] = {0, 0}, negative[] = {0, -1};
    const uint64_t no_block[] = {0};
    const int64_t no_start[] = {-1};
#define CALL(...) REFUSES(cache.block[0], ISTHMUS_INVALID, isthmus_append_kv(level, __VA_ARGS__))
    CALL(0, positions, sequences, cache.blocks, cache.block_start, BLOCK, 0, H, D, 0, 2);
    CALL(qkv.data, 0, sequences, cache.blocks, cache.block_start, BLOCK, 0, H, D, 0, 2);
    CALL(qkv.data, positions, 0, cache.blocks, cache.block_start, BLOCK, 0, H, D, 0, 2);
    CALL(qkv.data, positions, sequences, 0, cache.block_start, BLOCK, 0, H, D, 0, 2);
    CALL(qkv.data, positions, sequences, cache.blocks, 0, BLOCK, 0, H, D, 0, 2);
    CALL(qkv.data, negative, sequences, cache.blocks, cache.block_start, BLOCK, 0, H, D, 0, 2);
    CALL(qkv.data, positions, negative, cache.blocks, cache.block_start, BLOCK, 0, H, D, 0, 2);
    CALL(qkv.data, positions, sequences, no_block, cache.block_start, BLOCK, 0, H, D, 0, 2);
    CALL(qkv.data, positions, sequences, cache.blocks, no_start, BLOCK, 0, H, D, 0, 2);
    CALL(qkv.data, positions, sequences, cache.blocks, cache.block_start, 0, 0, H, D, 0, 2);
    CALL(qkv.data, positions, sequences, cache.blocks, cache.block_start, BLOCK, -1, H, D, 0, 2);
    CALL(qkv.data, positions, sequences, cache.blocks, cache.block_start, BLOCK, INT64_MAX, H, D, 0, 2);
    CALL(qkv.data, positions, sequences, cache.blocks, cache.block_start, BLOCK, 0, 0, D, 0, 2);
    CALL(qkv.data, positions, sequences, cache.blocks, cache.block_start, BLOCK, 0, H, 0, 0, 2);
    CALL(qkv.data, positions, sequences, cache.blocks, cache.block_start, BLOCK, 0, INT64_MAX / 4, D, 0, 2);
    CALL(qkv.data, positions, sequences, cache.blocks, cache.block_start, INT64_MAX / 4, 0, H, D, 0, 2);
    CALL(qkv.data, positions, sequences, cache.blocks, cache.block_start, BLOCK, 0, H, D, -1, 2);
    CALL(qkv.data, positions, sequences, cache.blocks, cache.block_start, BLOCK, 0, H, D, 2, 1);
    CALL(qkv.data, positions, sequences, cache.blocks, cache.block_start, BLOCK, 0, H, D, 0, INT64_MAX);
#undef CALL
    tensor_free(&qkv);
    cache_free(&cache);
}

void test_append_kv(void)
{
    static const int64_t head_sizes[] = {1, 3, 16, 33, 64};
    for (int l = 0; l < LEVELS_COUNT; l++) {
        for (int i = 0; i < COUNT(head_sizes); i++)
            for (int64_t block_positions = 1; block_positions <= 16; block_positions++)
                appends(LEVELS[l], 1 + i % 3, head_sizes[i], block_positions, i % 4);
        refuses(LEVELS[l]);
    }
}
