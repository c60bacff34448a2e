/*
 * Keys lie [D, 64] in a block of the cache, 64 being positions: what a row writes is scattered. So rows that follow
 * each other in a block are taken together, GROUP at a time.
 */
#include "quantized.h"

enum { GROUP = 16 };

/* to[d] = x[d] rounded to binary16 for d in [0, D). */
INLINE void round_row(u16 *restrict to, const f32 *restrict x, int64_t D)
{
    int64_t d = 0;
    for (; d + LANES <= D; d += LANES)
        v_store_f16(to + d, v_load(x + d));
    for (; d < D; d++)
        to[d] = f16_of(x[d]);
}

INLINE void store(char *keys, int64_t to, vec x, int32_t type)
{
    if (type == ISTHMUS_TYPE_F32)
        v_store((f32 *)(void *)keys + to, x);
    else
        v_store_f16((u16 *)(void *)keys + to, x);
}

/* The keys of `rows` rows, key row 0's, as positions `slot` and those that follow it of a block's keys. */
static void append_keys(char *keys, const f32 *restrict key, int64_t row_stride, int64_t rows, int64_t slot, int64_t D,
                        int32_t type)
{
    int64_t d = 0;
    for (; rows == GROUP && d + LANES <= D; d += LANES)
        for (int64_t i = 0; i < GROUP; i += LANES) {
            vec x[LANES];
            for (int j = 0; j < LANES; j++)
                x[j] = v_load(key + (i + j) * row_stride + d);
            v_transpose(x);
            for (int j = 0; j < LANES; j++)
                store(keys, (d + j) * ISTHMUS_CACHE_BLOCK + slot + i, x[j], type);
        }
    float column[GROUP];
    for (; d < D; d++) {
        const int64_t to = d * ISTHMUS_CACHE_BLOCK + slot;
        for (int64_t i = 0; i < rows; i++)
            column[i] = key[i * row_stride + d];
        if (type == ISTHMUS_TYPE_F32)
            memcpy(keys + to * 4, column, (size_t)rows * sizeof(float));
        else
            round_row((u16 *)(void *)keys + to, column, rows);
    }
}

/* The key of one row as bytes with their offset, four channels of a position side by side. */
static void append_rounded_key(const struct kv_cache *cache, char *keys, const f32 *key, int64_t slot)
{
    int8_t bytes[ISTHMUS_MOST_HEAD_CHANNELS];
    const int64_t D = cache->D, fours = rounded_up(D, 4);
    key_scales(cache, keys)[slot] = round_to_bytes(key, D, bytes, 0).scale;
    memset(bytes + D, 0, (size_t)(fours - D));
    for (int64_t d = 0; d < fours; d += 4) {
        uint32_t four;
        memcpy(&four, bytes + d, sizeof four);
        four ^= 0x80808080u;
        memcpy(keys + (d * ISTHMUS_CACHE_BLOCK + slot * 4), &four, sizeof four);
    }
}

static void append_value(const struct kv_cache *cache, char *values, const f32 *value, int64_t slot)
{
    const int64_t D = cache->D, to = slot * value_stride(D);
    if (cache->type == ISTHMUS_TYPE_F32)
        memcpy(values + to * 4, value, (size_t)D * sizeof(float));
    else
        round_row((u16 *)(void *)values + to, value, D);
}

/* The values of up to four rows, value row 0's, as bytes from `slot` on: four positions of a channel side by side. */
static void append_rounded_values(const struct kv_cache *cache, char *values, const f32 *value, int64_t row_stride,
                                  int64_t rows, int64_t slot)
{
    int8_t bytes[4][ISTHMUS_MOST_HEAD_CHANNELS];
    const int64_t D = cache->D;
    char *to = values + slot / 4 * 4 * value_stride(D);
    for (int64_t i = 0; i < rows; i++)
        value_scales(cache, values)[slot + i] = round_to_bytes(value + i * row_stride, D, bytes[i], 0).scale;
    if (rows == 4)
        for (int64_t d = 0; d < D; d++)
            for (int64_t i = 0; i < 4; i++)
                to[d * 4 + i] = bytes[i][d];
    else
        for (int64_t i = 0; i < rows; i++)
            for (int64_t d = 0; d < D; d++)
                to[d * 4 + slot % 4 + i] = bytes[i][d];
}

static void append_bytes(const struct kv_cache *cache, char *keys, char *values, const f32 *key, int64_t rows,
                         int64_t slot)
{
    const int64_t C = cache->H * cache->D;
    for (int64_t i = 0; i < rows; i++)
        append_rounded_key(cache, keys, key + i * 3 * C, slot + i);
    for (int64_t i = 0, together; i < rows; i += together) {
        together = 4 - (slot + i) % 4 < rows - i ? 4 - (slot + i) % 4 : rows - i;
        append_rounded_values(cache, values, key + i * 3 * C + C, 3 * C, together, slot + i);
    }
}

void KERNEL(append_kv)(const f32 *restrict qkv, const i32 *positions, const i32 *sequences,
                       const struct kv_cache *cache, int64_t t0, int64_t t1)
{
    const int64_t D = cache->D, C = cache->H * D;
    for (int64_t t = t0, rows; t < t1; t += rows) {
        const int64_t slot = positions[t] % ISTHMUS_CACHE_BLOCK;
        for (rows = 1; rows < GROUP && t + rows < t1 && slot + rows < ISTHMUS_CACHE_BLOCK &&
                       sequences[t + rows] == sequences[t] && positions[t + rows] == positions[t] + rows;)
            rows++;
        for (int64_t h = 0; h < cache->H; h++) {
            const f32 *key = qkv + t * 3 * C + C + h * D, *value = key + C;
            char *keys = key_tile(cache, sequences[t], positions[t], h);
            char *values = value_tile(cache, sequences[t], positions[t], h);
            if (cache->type == ISTHMUS_TYPE_INT8) {
                append_bytes(cache, keys, values, key, rows, slot);
                continue;
            }
            append_keys(keys, key, 3 * C, rows, slot, D, cache->type);
            for (int64_t i = 0; i < rows; i++)
                append_value(cache, values, value + i * 3 * C, slot + i);
        }
    }
}
