/*
 * Attention over a cache of INT8. Keys of bytes are multiplied with queries rounded to bytes, exactly in integers.
 * Values of bytes are weighted with integers of two bytes, the upper and the lower one apart, exactly too: exponentials
 * times the values' scales, rounded to 1 / 65535 of the tile's largest.
 */
#ifndef ISTHMUS_ATTENTION_INT8_H
#define ISTHMUS_ATTENTION_INT8_H

#include "attention_tile.h"
#include "quantized.h"

enum {
    KEY_STEP = 4 * TILE, /* bytes of four channels' keys */
    NR_VALUES = NR / 2,  /* each vector of values has two sums */
    MAX_WEIGHT = 65535,
};

struct int8_buffers {
    int8_t queries[ACCUMULATED]; /* value_stride(D) apart */
    struct row_block query_blocks[MAX_ROWS];
    int8_t weights[MAX_ROWS * 2 * TILE]; /* each row's upper bytes, then its lower ones */
    float units[MAX_ROWS];               /* what 1 of a row's integer weights stands for */
};

/* Rounds the queries of `count` rows to bytes. */
INLINE void round_queries(const f32 *q, int64_t q_stride, int64_t D, int64_t count, struct int8_buffers *b)
{
    const int64_t stride = value_stride(D);
    for (int64_t i = 0; i < count; i++) {
        int8_t *query = b->queries + i * stride;
        b->query_blocks[i] = round_to_bytes(q + i * q_stride, D, query, 128);
        memset(query + D, 0, (size_t)(stride - D));
    }
}

/* Prefetches the scales of a later tile, which the prefetching of its bytes does not reach. */
INLINE void prefetch_scales(const char *scales)
{
    for (int64_t i = 0; i < TILE * (int64_t)sizeof(f32); i += LINE_BYTES)
        __builtin_prefetch(scales + i, 0, 2);
}

/* The scores of a group of rows; arrays begin with the group's first row. */
struct score_gemm {
    const int8_t *queries;
    int64_t query_stride;
    const struct row_block *blocks;
    const uint8_t *keys;
    const f32 *scales;
    int64_t D;
    float *scores;
};

/* The positions of `width` vectors from `column` on. */
INLINE void score_micro_kernel(const struct score_gemm *g, int64_t column, int width, const char *prefetch, int rows)
{
    const int64_t stride = g->query_stride;
    vmask sum[MR][NR_SINGLE_ROW];
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int j = 0; j < width; j++)
            sum[i][j] = g->blocks[i].start - (vmask){0};
    for (int64_t d = 0; d < g->D; d += 4) {
        vbytes key[NR_SINGLE_ROW];
        UNROLL for (int j = 0; j < width; j++)
            key[j] = b_load(g->keys + d * TILE + (column + j * LANES) * 4);
        UNROLL for (int j = 0; j < KEY_STEP / LINE_BYTES; j++)
            if (prefetch)
                __builtin_prefetch(prefetch + d * TILE + j * LINE_BYTES, 0, 2);
        UNROLL for (int i = 0; i < rows; i++) {
            const vmask query = b_set4(g->queries + i * stride + d);
            UNROLL for (int j = 0; j < width; j++)
                sum[i][j] = b_dot(sum[i][j], key[j], query);
        }
    }
    UNROLL for (int j = 0; j < width; j++) {
        const vec scale = v_load(g->scales + column + j * LANES);
        UNROLL for (int i = 0; i < rows; i++)
            v_store(g->scores + i * TILE + column + j * LANES,
                    v_of_ints(sum[i][j]) * (g->blocks[i].scale * scale));
    }
}

/* The positions [0, seen), rounded up to whole vectors. */
INLINE void score_macro_kernel(const struct score_gemm *g, int64_t seen, const char *prefetch, int rows)
{
    const int width = rows == 1 ? NR_SINGLE_ROW : NR;
    for (int64_t n = 0; n < seen; n += width * LANES)
        score_micro_kernel(g, n, width, n == 0 ? prefetch : 0, rows);
}

/* scores[i] = q[i] . keys of the positions that row i sees, as float. One group of rows prefetches the next keys. */
INLINE void int8_scores(const struct tile_view *t, struct int8_buffers *b)
{
    const int64_t stride = value_stride(t->kv->D);
    const char *prefetch = t->count <= MR ? t->next_keys : 0;
    if (prefetch)
        prefetch_scales(prefetch + key_bytes(t->kv));
    FOR_ROW_GROUPS(g, t->count) {
        const struct score_gemm gemm = {.queries = b->queries + (t->first + g.t) * stride, .query_stride = stride,
                                        .blocks = b->query_blocks + t->first + g.t, .keys = (const uint8_t *)t->keys,
                                        .scales = key_scales(t->kv, t->keys), .D = t->kv->D,
                                        .scores = t->scores + g.t * TILE};
        CALL_WITH_ROWS(score_macro_kernel, g.rows, &gemm, t->seen[g.t + g.rows - 1], prefetch)
    }
}

/* Rounds a row's `count` exponentials, times their values' scales, to integers; returns what 1 of these stands for.
 * Later positions weigh zero, whatever their scales are. */
INLINE float round_weights(const float *exponentials, int64_t count, const f32 *scales, int8_t *upper)
{
    float scaled[TILE] __attribute__((aligned(LINE_BYTES)));
    for (int64_t i = 0; i < TILE; i += LANES)
        v_store(scaled + i, v_select(v_below(i, count), v_load(exponentials + i) * v_load(scales + i), v_set(0.0f)));
    const float largest = largest_magnitude(scaled, TILE);
    const float inverse = inverse_scale(largest, MAX_WEIGHT);
    for (int64_t i = 0; i < TILE; i += LANES) {
        const vmask integers = nearest_ints(v_load(scaled + i) * inverse);
        b_store_ints(upper + i, integers >> 8);
        b_store_ints(upper + TILE + i, integers);
    }
    return largest / MAX_WEIGHT;
}

/* The weighted values of a group of rows; arrays begin with the group's first row. */
struct value_gemm {
    const int8_t *weights;
    const float *units;
    const uint8_t *values;
    int64_t channels, depth;
    float *accumulated;
    const char *prefetch; /* or null */
};

/* The channels of `width` vectors from n on. */
INLINE void value_micro_kernel(const struct value_gemm *g, int64_t n, int width, int rows)
{
    const int64_t channels = g->channels;
    vmask upper[MR][NR_SINGLE_ROW], lower[MR][NR_SINGLE_ROW];
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int j = 0; j < width; j++)
            upper[i][j] = lower[i][j] = (vmask){0};
    for (int64_t p = 0; p < g->depth; p += 4) {
        const int64_t at = p * channels + n * 4;
        vmask value[NR_SINGLE_ROW];
        UNROLL for (int j = 0; j < width; j++) {
            value[j] = (vmask)b_load(g->values + at + j * LANES * 4);
            if (g->prefetch)
                __builtin_prefetch(g->prefetch + at + j * LANES * 4, 0, 2);
        }
        UNROLL for (int i = 0; i < rows; i++) {
            const int8_t *weight = g->weights + i * 2 * TILE + p;
            UNROLL for (int j = 0; j < width; j++) {
                upper[i][j] = b_dot(upper[i][j], (vbytes)b_set4(weight), value[j]);
                lower[i][j] = b_dot(lower[i][j], (vbytes)b_set4(weight + TILE), value[j]);
            }
        }
    }
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int j = 0; j < width; j++) {
            float *to = g->accumulated + i * channels + n + j * LANES;
            const vec sum = v_of_ints(upper[i][j] * 256 + lower[i][j]);
            v_store(to, v_fma(sum, v_set(g->units[i]), v_load(to)));
        }
}

INLINE void value_macro_kernel(const struct value_gemm *g, int rows)
{
    const int width = rows == 1 ? NR_SINGLE_ROW : NR_VALUES;
    int64_t n = 0;
    for (; n + width * LANES <= g->channels; n += width * LANES)
        value_micro_kernel(g, n, width, rows);
    for (; n < g->channels; n += LANES)
        value_micro_kernel(g, n, 1, rows);
}

/* accumulated[i] += exponentials[i] . values. One group of rows prefetches the next values. */
INLINE void int8_accumulate(const struct tile_view *t, struct int8_buffers *b)
{
    const int64_t channels = value_stride(t->kv->D);
    const char *prefetch = t->count <= MR ? t->next_values : 0;
    for (int64_t i = 0; i < t->count; i++)
        b->units[i] = round_weights(t->scores + i * TILE, t->seen[i], value_scales(t->kv, t->values),
                                    b->weights + i * 2 * TILE);
    if (prefetch)
        prefetch_scales(prefetch + value_bytes(t->kv));
    FOR_ROW_GROUPS(g, t->count) {
        const struct value_gemm gemm = {.weights = b->weights + g.t * 2 * TILE, .units = b->units + g.t,
                                        .values = (const uint8_t *)t->values, .channels = channels,
                                        .depth = t->seen[g.t + g.rows - 1],
                                        .accumulated = t->accumulated + g.t * channels, .prefetch = prefetch};
        CALL_WITH_ROWS(value_macro_kernel, g.rows, &gemm)
    }
}

#endif
