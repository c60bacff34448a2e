/*
 * The micro-kernel of every product of floats: at most MR rows of x times a micro-panel of weights, with all sums in
 * registers. Names are BLIS's (docs/kernels.md).
 */
#ifndef ISTHMUS_GEMM_H
#define ISTHMUS_GEMM_H

#include "kernels.h"
#include "simd_narrow.h"

#ifndef UNROLL /* the sanitizers' build leaves loops as they are: unrolled ones take them minutes */
#define UNROLL _Pragma("GCC unroll 16")
#endif

enum {
    PANEL = ISTHMUS_PANEL,
    LINE_BYTES = 64,

    /* The micro-kernel's sums, MR rows by NR vectors of columns, must fit in the registers with the weights: 32 with
     * AVX-512 and NEON, else 16. A single row takes more columns, to hide the latency of FMA. */
    MR = ISTHMUS_MR,
    NR = IS_AVX512 || LEVEL == ISTHMUS_LEVEL_NEON ? 4 : 2,
    NR_SINGLE_ROW = PANEL / LANES < 8 ? PANEL / LANES : 8,
};

/* Rows [t, t + rows) of a product, 1 to MR of them; `left` counts the groups from this one on. */
struct row_group {
    int64_t t, rows, index, left;
};

/* The first of as few groups as T rows can be split into, as equal as can be. It has no rows where T is 0. */
INLINE struct row_group first_group(int64_t T)
{
    const int64_t left = (T + MR - 1) / MR;
    return (struct row_group){0, left > 0 ? (T + left - 1) / left : 0, 0, left};
}

/* The group after g; it has no rows where g is the last. */
INLINE struct row_group next_group(struct row_group g, int64_t T)
{
    const int64_t t = g.t + g.rows, left = g.left - 1;
    return (struct row_group){t, left > 0 ? (T - t + left - 1) / left : 0, g.index + 1, left};
}

#define FOR_ROW_GROUPS(g, T) for (struct row_group g = first_group(T); g.rows > 0; g = next_group(g, T))

/* Calls f(..., rows) with `rows`, 1 to MR, as a constant: loops over the rows unroll and their sums stay in
 * registers. */
#define CALL_WITH_ROWS(f, rows, ...) \
    switch (rows) {                  \
    case 1:                          \
        f(__VA_ARGS__, 1);           \
        break;                       \
    case 2:                          \
        f(__VA_ARGS__, 2);           \
        break;                       \
    case 3:                          \
        f(__VA_ARGS__, 3);           \
        break;                       \
    case 4:                          \
        f(__VA_ARGS__, 4);           \
        break;                       \
    case 5:                          \
        f(__VA_ARGS__, 5);           \
        break;                       \
    case MR:                         \
        f(__VA_ARGS__, MR);          \
        break;                       \
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

/* sums[i, n] (+)= x[i] . w[., n] over `depth` inputs. Partial sums may be spilled to `partial` instead, for the product
 * of the inputs that follow to reload. */
struct gemm {
    const f32 *x;
    int64_t x_stride;
    const void *w; /* [depth, w_stride] elements */
    int64_t w_stride;
    int64_t depth;
    f32 *sums;
    int64_t sums_stride;
    int accumulate;       /* whether the products are added to what sums hold */
    f32 *partial;         /* laid out as sums */
    int reload, spill;    /* whether sums begin with `partial`, and whether they end there */
    const char *prefetch; /* what is fetched meanwhile, `lines` cache lines for each input */
};

/* The micro-kernel: `rows` rows by `width` vectors of columns from `column` on. */
INLINE void micro_kernel(const struct gemm *g, int32_t type, int64_t column, int width, int lines, int rows)
{
    vec sum[MR][NR_SINGLE_ROW];
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int j = 0; j < width; j++)
            sum[i][j] = (vec){0};
    if (g->reload)
        UNROLL for (int i = 0; i < rows; i++)
            UNROLL for (int j = 0; j < width; j++)
                sum[i][j] = v_load(g->partial + i * g->sums_stride + column + j * LANES);

    const f32 *x = g->x;
    const int64_t x_stride = g->x_stride;
    const char *prefetch = g->prefetch;
    for (int64_t k = 0; k < g->depth; k++) {
        vec weight[NR_SINGLE_ROW];
        UNROLL for (int j = 0; j < width; j++)
            weight[j] = load_as_float(g->w, type, k * g->w_stride + column + j * LANES);
        UNROLL for (int j = 0; j < lines; j++)
            __builtin_prefetch(prefetch + j * LINE_BYTES, 0, 2);
        prefetch += g->w_stride * element_bytes(type);
        UNROLL for (int i = 0; i < rows; i++) {
            const vec input = v_set(x[i * x_stride + k]);
            UNROLL for (int j = 0; j < width; j++)
                sum[i][j] = v_fma(input, weight[j], sum[i][j]);
        }
    }

    f32 *to = g->spill ? g->partial : g->sums;
    const int accumulate = g->accumulate && !g->spill;
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int j = 0; j < width; j++) {
            f32 *s = to + i * g->sums_stride + column + j * LANES;
            v_store(s, accumulate ? v_load(s) + sum[i][j] : sum[i][j]);
        }
}

/* Runs the micro-kernel over `columns` columns, a multiple of 16; the first micro-panel prefetches. */
INLINE void macro_kernel(const struct gemm *g, int32_t type, int64_t columns, int lines, int rows)
{
    int64_t n = 0;
    if (rows == 1)
        for (; n + NR_SINGLE_ROW * LANES <= columns; n += NR_SINGLE_ROW * LANES)
            micro_kernel(g, type, n, NR_SINGLE_ROW, n == 0 ? lines : 0, rows);
    for (; n + NR * LANES <= columns; n += NR * LANES)
        micro_kernel(g, type, n, NR, n == 0 ? lines : 0, rows);
    for (; n < columns; n += LANES)
        micro_kernel(g, type, n, 1, 0, rows);
}

/* to[k, n] = from[k, n] as float for `count` rows of `columns` columns, a multiple of 16. */
INLINE void widen(float *to, const void *from, int32_t type, int64_t count, int64_t columns)
{
    for (int64_t i = 0; i < count * columns; i += LANES)
        v_store(to + i, load_as_float(from, type, i));
}

#endif
