/*
 * Keys lie [D, 64] in a block of the cache, 64 being positions: what a row writes is scattered. So up to
 * TRANSPOSED_ROWS rows that follow each other in a block are transposed together.
 */
#include "kv.h"
#include "quantized.h"

enum { TRANSPOSED_ROWS = 16 };

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

/* Writes the keys of `rows` rows, the first at `key`, as positions `slot` and following of a block. */
static void append_keys(const struct isthmus_kv *kv, char *keys, const f32 *restrict key, int64_t row_stride,
                        int64_t rows, int64_t slot)
{
    const int64_t D = kv->D;
    const int32_t type = kv->type;
    int64_t d = 0;
    for (; rows == TRANSPOSED_ROWS && d + LANES <= D; d += LANES)
        for (int64_t i = 0; i < TRANSPOSED_ROWS; i += LANES) {
            vec x[LANES];
            for (int j = 0; j < LANES; j++)
                x[j] = v_load(key + (i + j) * row_stride + d);
            v_transpose(x);
            for (int j = 0; j < LANES; j++)
                store(keys, (d + j) * ISTHMUS_CACHE_BLOCK + slot + i, x[j], type);
        }
    float column[TRANSPOSED_ROWS];
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

/* Writes the key of one row as bytes with their offset, four channels of a position next to each other. */
static void append_rounded_key(const struct isthmus_kv *kv, char *keys, const f32 *key, int64_t slot)
{
    int8_t bytes[ISTHMUS_MAX_HEAD_CHANNELS];
    const int64_t D = kv->D, fours = rounded_up(D, 4);
    key_scales(kv, keys)[slot] = round_to_bytes(key, D, bytes, 0).scale;
    memset(bytes + D, 0, (size_t)(fours - D));
    for (int64_t d = 0; d < fours; d += 4) {
        uint32_t four;
        memcpy(&four, bytes + d, sizeof four);
        four ^= 0x80808080u;
        memcpy(keys + (d * ISTHMUS_CACHE_BLOCK + slot * 4), &four, sizeof four);
    }
}

static void append_value(const struct isthmus_kv *kv, char *values, const f32 *value, int64_t slot)
{
    const int64_t D = kv->D, to = slot * value_stride(D);
    if (kv->type == ISTHMUS_TYPE_F32)
        memcpy(values + to * 4, value, (size_t)D * sizeof(float));
    else
        round_row((u16 *)(void *)values + to, value, D);
}

/* Writes the values of up to four rows, the first at `value`, as bytes from `slot` on: four positions of a channel next
 * to each other. */
static void append_rounded_values(const struct isthmus_kv *kv, char *values, const f32 *value, int64_t row_stride,
                                  int64_t rows, int64_t slot)
{
    int8_t bytes[4][ISTHMUS_MAX_HEAD_CHANNELS];
    const int64_t D = kv->D;
    char *to = values + slot / 4 * 4 * value_stride(D);
    for (int64_t i = 0; i < rows; i++)
        value_scales(kv, values)[slot + i] = round_to_bytes(value + i * row_stride, D, bytes[i], 0).scale;
    if (rows == 4)
        for (int64_t d = 0; d < D; d++)
            for (int64_t i = 0; i < 4; i++)
                to[d * 4 + i] = bytes[i][d];
    else
        for (int64_t i = 0; i < rows; i++)
            for (int64_t d = 0; d < D; d++)
                to[d * 4 + slot % 4 + i] = bytes[i][d];
}

static void append_bytes(const struct isthmus_kv *kv, char *keys, char *values, const f32 *key, int64_t rows,
                         int64_t slot)
{
    const int64_t C = kv->H * kv->D;
    for (int64_t i = 0; i < rows; i++)
        append_rounded_key(kv, keys, key + i * 3 * C, slot + i);
    for (int64_t i = 0, together; i < rows; i += together) {
        together = 4 - (slot + i) % 4 < rows - i ? 4 - (slot + i) % 4 : rows - i;
        append_rounded_values(kv, values, key + i * 3 * C + C, 3 * C, together, slot + i);
    }
}

void KERNEL(append_kv)(const f32 *restrict qkv, const struct isthmus_rows *rows, const struct isthmus_kv *kv,
                       int64_t t0, int64_t t1)
{
    const i32 *positions = rows->positions, *sequences = rows->sequences;
    const int64_t D = kv->D, C = kv->H * D;
    for (int64_t t = t0, count; t < t1; t += count) {
        const int64_t slot = positions[t] % ISTHMUS_CACHE_BLOCK;
        for (count = 1; count < TRANSPOSED_ROWS && t + count < t1 && slot + count < ISTHMUS_CACHE_BLOCK &&
                        sequences[t + count] == sequences[t] && positions[t + count] == positions[t] + count;)
            count++;
        for (int64_t h = 0; h < kv->H; h++) {
            const f32 *key = qkv + t * 3 * C + C + h * D, *value = key + C;
            char *keys = key_tile(kv, sequences[t], positions[t], h);
            char *values = value_tile(kv, sequences[t], positions[t], h);
            if (kv->type == ISTHMUS_TYPE_INT8) {
                append_bytes(kv, keys, values, key, count, slot);
                continue;
            }
            append_keys(kv, keys, key, 3 * C, count, slot);
            for (int64_t i = 0; i < count; i++)
                append_value(kv, values, value + i * 3 * C, slot + i);
        }
    }
}
