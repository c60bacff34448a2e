#include "cache.h"
#include "packed.h"

enum { LAYER_OFFSET = 20, MAX_D = 128 };

static void appends(int32_t level, int32_t type, int64_t H, int64_t D, int shift)
{
    enum { APART = 9, TOGETHER = 40, T = APART + TOGETHER };
    int32_t positions[T] = {0, 1, 63, 64, 65, 127, 5, 4, 129};
    int32_t sequences[T] = {0, 0, 1, 1, 1, 1, 2, 2, 0};
    for (int32_t t = APART; t < T; t++) /* across the end of a block */
        positions[t] = t + 21, sequences[t] = 2;
    const int64_t C = H * D;
    struct cache cache, want;
    cache_new(&cache, 3, 130, type, LAYER_OFFSET, H, D);
    cache_new(&want, 3, 130, type, LAYER_OFFSET, H, D);
    struct tensor qkv = tensor_random(T * 3 * C, shift);
    for (int64_t t0 = 1, t1 = 4; t0 < T; t0 = t1, t1 = T)
        isthmus_append_kv(level, qkv.data, STRUCT(rows, 0, positions, sequences),
                          STRUCT(kv, cache.blocks, cache.block_start, LAYER_OFFSET, H, D, type), t0, t1);

    for (int t = 1; t < T; t++)
        for (int64_t i = 0; i < 2 * H; i++) {
            float x[MAX_D];
            for (int64_t d = 0; d < D; d++)
                x[d] = get(&qkv, (t * 3 + 1) * C + i * D + d);
            cache_set_all(&want, i >= H, sequences[t], positions[t], i % H, x);
        }
    int different = 0;
    for (int64_t b = 0; b < cache.count; b++)
        different += !same_bits(&cache.block[b], &want.block[b]) || !guards_hold(&cache.block[b]);
    check(different == 0, "%s at %s, H = %d, D = %d: %d blocks are not as expected", TYPE_NAMES[type],
          level_name(level), (int)H, (int)D, different);
    tensor_free(&qkv);
    cache_free(&cache), cache_free(&want);
}

static void refuses(int32_t level)
{
    enum { H = 2, D = 3, F32 = ISTHMUS_TYPE_F32 };
    struct cache cache;
    cache_new(&cache, 1, 2, F32, 0, H, D);
    struct tensor qkv = tensor_random(2 * 3 * H * D, 0);
    const float *x = qkv.data;
    const int32_t pos[] = {0, 1}, seq[] = {0, 0}, negative[] = {0, -1};
    const uint64_t *blocks = cache.blocks, no_block[] = {0};
    const int64_t *start = cache.block_start, no_start[] = {-1};
#define CALL(x, positions, sequences, blocks, start, type, offset, H, D, t0, t1)                                \
    REFUSES(cache.block[0], ISTHMUS_INVALID,                                                                    \
            isthmus_append_kv(level, x, STRUCT(rows, 0, positions, sequences),                                  \
                              STRUCT(kv, blocks, start, offset, H, D, type), t0, t1))
    CALL(0, pos, seq, blocks, start, F32, 0, H, D, 0, 2);
    CALL(x, 0, seq, blocks, start, F32, 0, H, D, 0, 2);
    CALL(x, pos, 0, blocks, start, F32, 0, H, D, 0, 2);
    CALL(x, pos, seq, 0, start, F32, 0, H, D, 0, 2);
    CALL(x, pos, seq, blocks, 0, F32, 0, H, D, 0, 2);
    CALL(x, negative, seq, blocks, start, F32, 0, H, D, 0, 2);
    CALL(x, pos, negative, blocks, start, F32, 0, H, D, 0, 2);
    CALL(x, pos, seq, no_block, start, F32, 0, H, D, 0, 2);
    CALL(x, pos, seq, blocks, no_start, F32, 0, H, D, 0, 2);
    CALL(x, pos, seq, blocks, start, -1, 0, H, D, 0, 2);
    CALL(x, pos, seq, blocks, start, ISTHMUS_TYPE_BF16, 0, H, D, 0, 2);
    CALL(x, pos, seq, blocks, start, ISTHMUS_TYPE_Q4, 0, H, D, 0, 2);
    CALL(x, pos, seq, blocks, start, 5, 0, H, D, 0, 2);
    CALL(x, pos, seq, blocks, start, F32, -1, H, D, 0, 2);
    CALL(x, pos, seq, blocks, start, F32, INT64_MAX, H, D, 0, 2);
    CALL(x, pos, seq, blocks, start, F32, INT64_MAX - 3, H, D, 0, 2);
    CALL(x, pos, seq, blocks, start, F32, 0, 0, D, 0, 2);
    CALL(x, pos, seq, blocks, start, F32, 0, -1, D, 0, 2);
    CALL(x, pos, seq, blocks, start, F32, 0, H, 0, 0, 2);
    CALL(x, pos, seq, blocks, start, F32, 0, H, ISTHMUS_MAX_HEAD_CHANNELS + 1, 0, 2);
    CALL(x, pos, seq, blocks, start, F32, 0, INT64_MAX / 4, D, 0, 2);
    CALL(x, pos, seq, blocks, start, F32, 0, H, INT64_MAX, 0, 2);
    CALL(x, pos, seq, blocks, start, F32, 0, H, D, -1, 2);
    CALL(x, pos, seq, blocks, start, F32, 0, H, D, 2, 1);
    CALL(x, pos, seq, blocks, start, F32, 0, H, D, 0, INT64_MAX);
#undef CALL
    REFUSES(cache.block[0], ISTHMUS_INVALID,
            isthmus_append_kv(level, x, 0, STRUCT(kv, blocks, start, 0, H, D, F32), 0, 2));
    REFUSES(cache.block[0], ISTHMUS_INVALID, isthmus_append_kv(level, x, STRUCT(rows, 0, pos, seq), 0, 0, 2));
    tensor_free(&qkv);
    cache_free(&cache);
}

TEST(append_kv)
{
    static const int64_t head_sizes[] = {1, 3, 8, 15, 16, 17, 33, 64, 65, MAX_D};
    for (int l = 0; l < LEVELS_COUNT; l++) {
        for (int i = 0; i < COUNT(head_sizes); i++) {
            appends(LEVELS[l], ISTHMUS_TYPE_F32, 1 + i % 3, head_sizes[i], i % 4);
            appends(LEVELS[l], ISTHMUS_TYPE_F16, 1 + i % 3, head_sizes[i], (i + 1) % 4);
            appends(LEVELS[l], ISTHMUS_TYPE_INT8, 1 + i % 3, head_sizes[i], (i + 2) % 4);
        }
        refuses(LEVELS[l]);
    }
}
