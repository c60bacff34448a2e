/*
 * The inner loop of every product of floats: a few rows of x against one panel of weights, with all sums in registers.
 */
#ifndef ISTHMUS_TILE_H
#define ISTHMUS_TILE_H

#include "kernels.h"
#include "simd_narrow.h"

#ifndef UNROLL /* the sanitizers' build leaves loops as they are: unrolled ones take them minutes */
#define UNROLL _Pragma("GCC unroll 16")
#endif

enum {
    PANEL = ISTHMUS_PANEL,
    LINE_BYTES = 64,

    /* A tile's sums, rows x vectors of columns, must fit in the registers beside the weights: 32 with AVX-512 and NEON,
     * else 16. A row alone takes more columns, to hide the latency of FMA. */
    TILE_ROWS = 6,
    TILE_WIDTH = IS_AVX512 || LEVEL == ISTHMUS_LEVEL_NEON ? 4 : 2,
    ALONE_WIDTH = PANEL / LANES < 8 ? PANEL / LANES : 8,
};

/* Runs a tile for each group of rows, the groups as equal as can be, with the number of rows known to the compiler.
 * CALL is made with t, the group's first row, and the constant number; `group` counts the groups. */
#define CASE(rows, CALL) \
    case rows: {         \
        CALL(t, rows)    \
        break;           \
    }
#define FOR_ROW_GROUPS(T, CALL)                                                                        \
    for (int64_t t = 0, group = 0, left = ((T) + TILE_ROWS - 1) / TILE_ROWS, rows; left > 0;           \
         left--, group++, t += rows) {                                                                 \
        rows = ((T) - t + left - 1) / left;                                                            \
        switch (rows) {                                                                                \
            CASE(1, CALL) CASE(2, CALL) CASE(3, CALL) CASE(4, CALL) CASE(5, CALL) CASE(6, CALL)        \
        }                                                                                              \
    }

/* LANES elements from element i on, of a type that is known to the compiler. */
INLINE vec load_as_float(const void *p, int32_t type, int64_t i)
{
    switch (type) {
    case ISTHMUS_TYPE_F16:
        return v_load_f16((const u16 *)p + i);
    case ISTHMUS_TYPE_BF16:
        return v_load_bf16((const u16 *)p + i);
    default:
        return v_load((const f32 *)p + i);
    }
}

/* What one tile computes: sums[i, n] (+)= x[i] . w[., n] for `depth` inputs. A tile may leave the sums of a chain of
 * additions that is not at its end in `chains`, for the tile of the inputs that follow to go on with. */
struct tile {
    const f32 *x;
    int64_t x_stride;
    const void *w; /* [depth, w_stride] elements */
    int64_t w_stride;
    int64_t depth;
    f32 *sums;
    int64_t sums_stride;
    int add;             /* whether sums hold something already */
    f32 *chains;         /* laid out as sums */
    int resumes, pauses; /* whether it starts from `chains`, and whether it ends there rather than in sums */
    const char *coming;  /* weights to be fetched meanwhile: `lines` cache lines for each input */
};

INLINE void tile_columns(const struct tile *tile, int32_t type, int rows, int64_t column, int width, int lines)
{
    vec sum[TILE_ROWS][ALONE_WIDTH];
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int j = 0; j < width; j++)
            sum[i][j] = (vec){0};
    if (tile->resumes)
        UNROLL for (int i = 0; i < rows; i++)
            UNROLL for (int j = 0; j < width; j++)
                sum[i][j] = v_load(tile->chains + i * tile->sums_stride + column + j * LANES);

    const f32 *x = tile->x;
    const int64_t x_stride = tile->x_stride;
    const char *coming = tile->coming;
    for (int64_t k = 0; k < tile->depth; k++) {
        vec weight[ALONE_WIDTH];
        UNROLL for (int j = 0; j < width; j++)
            weight[j] = load_as_float(tile->w, type, k * tile->w_stride + column + j * LANES);
        UNROLL for (int j = 0; j < lines; j++)
            __builtin_prefetch(coming + j * LINE_BYTES, 0, 2);
        coming += tile->w_stride * element_bytes(type);
        UNROLL for (int i = 0; i < rows; i++) {
            const vec input = v_set(x[i * x_stride + k]);
            UNROLL for (int j = 0; j < width; j++)
                sum[i][j] = v_fma(input, weight[j], sum[i][j]);
        }
    }

    f32 *to = tile->pauses ? tile->chains : tile->sums;
    const int add = tile->add && !tile->pauses;
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int j = 0; j < width; j++) {
            f32 *s = to + i * tile->sums_stride + column + j * LANES;
            v_store(s, add ? v_load(s) + sum[i][j] : sum[i][j]);
        }
}

/* A tile over `columns` columns, a multiple of 16. */
INLINE void run_tile(const struct tile *tile, int32_t type, int rows, int64_t columns, int lines)
{
    int64_t n = 0;
    if (rows == 1)
        for (; n + ALONE_WIDTH * LANES <= columns; n += ALONE_WIDTH * LANES)
            tile_columns(tile, type, rows, n, ALONE_WIDTH, n == 0 ? lines : 0);
    for (; n + TILE_WIDTH * LANES <= columns; n += TILE_WIDTH * LANES)
        tile_columns(tile, type, rows, n, TILE_WIDTH, n == 0 ? lines : 0);
    for (; n < columns; n += LANES)
        tile_columns(tile, type, rows, n, 1, 0);
}

/* to[k, n] = from[k, n] as float for `count` rows of `columns` columns, a multiple of 16, side by side. */
INLINE void widen(float *to, const void *from, int32_t type, int64_t count, int64_t columns)
{
    for (int64_t i = 0; i < count * columns; i += LANES)
        v_store(to + i, load_as_float(from, type, i));
}

#endif
