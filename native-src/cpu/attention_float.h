/*
 * Attention over a cache of F32 or F16: keys lie [D, 64] in a tile and values [64, D'], so that both products are those
 * of packed panels (gemm.h).
 */
#ifndef ISTHMUS_ATTENTION_FLOAT_H
#define ISTHMUS_ATTENTION_FLOAT_H

#include "attention_tile.h"

enum {
    CHAIN = 32, /* head channels that are summed up one after another; then these sums are */
    MAX_WIDENED_CHANNELS = 128, /* of heads whose F16 values are widened to float for several groups of rows */
};

struct float_buffers {
    float widened[MAX_WIDENED_CHANNELS * TILE] __attribute__((aligned(LINE_BYTES)));
};

/* The largest number of rows that go through a tile together: several groups share values that are widened once. */
INLINE int64_t max_float_rows(const struct isthmus_kv *kv)
{
    return kv->type == ISTHMUS_TYPE_F16 && value_stride(kv->D) > MAX_WIDENED_CHANNELS ? MR : MAX_ROWS;
}

/* One group of rows. Not inlined: it is the larger part of this code, and few rows wait for memory. */
__attribute__((noinline)) static void gemm_few_rows(const struct gemm *g, int32_t type, int64_t rows)
{
    if (type == ISTHMUS_TYPE_F32)
        CALL_WITH_ROWS(macro_kernel, rows, g, ISTHMUS_TYPE_F32, g->w_stride, 4)
    else
        CALL_WITH_ROWS(macro_kernel, rows, g, ISTHMUS_TYPE_F16, g->w_stride, 2)
}

/* The weights of a product as float32, widened if they are not. */
INLINE const void *as_float(const struct gemm *g, int32_t type, struct float_buffers *b)
{
    if (type == ISTHMUS_TYPE_F32)
        return g->w;
    widen(b->widened, g->w, ISTHMUS_TYPE_F16, g->depth, g->w_stride);
    return b->widened;
}

/* scores[i] = q[i] . keys of the positions that row i sees. Prefetches the values. */
INLINE void float_scores(const struct tile_view *t, struct float_buffers *b)
{
    const int32_t type = t->kv->type;
    const int64_t D = t->kv->D;
    for (int64_t d = 0; d < D; d += CHAIN) {
        const int64_t offset = d * TILE * element_bytes(type);
        struct gemm gemm = {.x = t->q + d, .x_stride = t->q_stride, .w = t->keys + offset, .w_stride = TILE,
                            .depth = D - d < CHAIN ? D - d : CHAIN, .sums = t->scores, .sums_stride = TILE,
                            .accumulate = d > 0, .prefetch = t->values + offset};
        if (t->count <= MR) {
            gemm_few_rows(&gemm, type, t->count);
            continue;
        }
        gemm.w = as_float(&gemm, type, b);
        FOR_ROW_GROUPS(g, t->count) {
            gemm.x = t->q + d + g.t * t->q_stride;
            gemm.sums = t->scores + g.t * TILE;
            const int64_t columns = rounded_up(t->seen[g.t + g.rows - 1], 16);
            CALL_WITH_ROWS(macro_kernel, g.rows, &gemm, ISTHMUS_TYPE_F32, columns, 0)
        }
    }
}

/* accumulated[i] += exponentials[i] . values. Prefetches the next tile's keys. */
INLINE void float_accumulate(const struct tile_view *t, struct float_buffers *b)
{
    const int32_t type = t->kv->type;
    const int64_t channels = value_stride(t->kv->D);
    struct gemm gemm = {.x = t->scores, .x_stride = TILE, .w = t->values, .w_stride = channels,
                        .depth = t->seen[t->count - 1], .sums = t->accumulated, .sums_stride = channels,
                        .accumulate = 1, .prefetch = t->next_keys};
    if (t->count <= MR) {
        gemm_few_rows(&gemm, type, t->count);
        return;
    }
    gemm.w = as_float(&gemm, type, b);
    FOR_ROW_GROUPS(g, t->count) {
        gemm.x = t->scores + g.t * TILE;
        gemm.sums = t->accumulated + g.t * channels;
        gemm.depth = t->seen[g.t + g.rows - 1];
        CALL_WITH_ROWS(macro_kernel, g.rows, &gemm, ISTHMUS_TYPE_F32, channels, 0)
    }
}

#endif
