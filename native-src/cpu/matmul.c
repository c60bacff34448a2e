/*
 * Matrix products with few rows, T <= ISTHMUS_MATMUL_MAX_ROWS, where the time goes into reading the weights.
 *
 * Sums are taken in blocks of the inner dimension: one chain within a block, then the blocks' sums one after
 * another. For K = 3072 that is 48 chains of 64 instead of one of 3072, and the rounding error shrinks accordingly.
 * The order of an element's additions depends on K and the level alone, not on T, N or [n0, n1).
 */
#include "kernels.h"

#define UNROLL _Pragma("GCC unroll 16")

enum {
    BLOCK = 64, /* inner indices (IN_OUT) or vectors of them (OUT_IN) summed in one chain */
    TILE_ROWS = 4,
    /* Vectors of columns in a strip: sums of 4 rows must fit in the registers (16, or 32 with AVX-512 and NEON). */
    STRIP = LEVEL == ISTHMUS_LEVEL_AVX512 || LEVEL == ISTHMUS_LEVEL_NEON ? 4 : 2,
    /* Alone, a row has registers to spare for hiding the latency of FMA. */
    STRIP_ALONE = 8,
};

/* ---- w [K, N] ---- */

/* Adds the products of one block, k in [k0, k1), to `rows` rows and `vectors` vectors of columns of out from column n.
 * With part > 0 there is one vector and only its first part lanes count. */
INLINE void in_out_tile(const f32 *x, const f32 *w, f32 *out, int64_t K, int64_t N, int64_t k0, int64_t k1, int64_t n,
                        int rows, int vectors, int64_t part)
{
    vec sum[TILE_ROWS][STRIP_ALONE];
    UNROLL for (int t = 0; t < rows; t++)
        UNROLL for (int j = 0; j < vectors; j++)
            sum[t][j] = (vec){0};

    for (int64_t k = k0; k < k1; k++) {
        const f32 *weights = w + k * N + n;
        vec weight[STRIP_ALONE];
        UNROLL for (int j = 0; j < vectors; j++)
            weight[j] = part ? v_load_part(weights, part) : v_load(weights + j * LANES);
        UNROLL for (int t = 0; t < rows; t++) {
            const vec input = v_set(x[t * K + k]);
            UNROLL for (int j = 0; j < vectors; j++)
                sum[t][j] = v_fma(input, weight[j], sum[t][j]);
        }
    }

    UNROLL for (int t = 0; t < rows; t++)
        UNROLL for (int j = 0; j < vectors; j++) {
            f32 *o = out + t * N + n + j * LANES;
            if (part)
                v_store_part(o, k0 ? v_load_part(o, part) + sum[t][j] : sum[t][j], part);
            else
                v_store(o, k0 ? v_load(o) + sum[t][j] : sum[t][j]);
        }
}

/* All rows over one block and one strip of columns; after the first four rows the weights come from the L1 cache. */
INLINE void in_out_strip(const f32 *x, const f32 *w, f32 *out, int64_t T, int64_t K, int64_t N, int64_t k0, int64_t k1,
                         int64_t n, int vectors, int64_t part)
{
    for (int64_t t = 0; t < T; t += TILE_ROWS) {
        const f32 *inputs = x + t * K;
        f32 *outputs = out + t * N;
        switch (T - t) {
        case 1:
            in_out_tile(inputs, w, outputs, K, N, k0, k1, n, 1, vectors, part);
            break;
        case 2:
            in_out_tile(inputs, w, outputs, K, N, k0, k1, n, 2, vectors, part);
            break;
        case 3:
            in_out_tile(inputs, w, outputs, K, N, k0, k1, n, 3, vectors, part);
            break;
        default:
            in_out_tile(inputs, w, outputs, K, N, k0, k1, n, TILE_ROWS, vectors, part);
        }
    }
}

static void in_out(const f32 *restrict x, const f32 *restrict w, f32 *restrict out, int64_t T, int64_t K, int64_t N,
                   int64_t n0, int64_t n1)
{
    for (int64_t k0 = 0; k0 < K; k0 += BLOCK) {
        const int64_t k1 = k0 + BLOCK < K ? k0 + BLOCK : K;
        int64_t n = n0;
        if (T == 1)
            for (; n + STRIP_ALONE * LANES <= n1; n += STRIP_ALONE * LANES)
                in_out_tile(x, w, out, K, N, k0, k1, n, 1, STRIP_ALONE, 0);
        for (; n + STRIP * LANES <= n1; n += STRIP * LANES)
            in_out_strip(x, w, out, T, K, N, k0, k1, n, STRIP, 0);
        for (; n + LANES <= n1; n += LANES)
            in_out_strip(x, w, out, T, K, N, k0, k1, n, 1, 0);
        if (n < n1)
            in_out_strip(x, w, out, T, K, N, k0, k1, n, 1, n1 - n);
    }
}

/* ---- w [N, K] ---- */

/* The dot products of `rows` rows of x with `columns` rows of w. */
INLINE void out_in_tile(const f32 *x, const f32 *w, f32 *out, int64_t K, int64_t N, int rows, int columns)
{
    vec total[TILE_ROWS][STRIP_ALONE];
    UNROLL for (int t = 0; t < rows; t++)
        UNROLL for (int j = 0; j < columns; j++)
            total[t][j] = (vec){0};

    for (int64_t k0 = 0; k0 < K; k0 += BLOCK * LANES) {
        const int64_t k1 = k0 + BLOCK * LANES < K ? k0 + BLOCK * LANES : K;
        vec sum[TILE_ROWS][STRIP_ALONE];
        UNROLL for (int t = 0; t < rows; t++)
            UNROLL for (int j = 0; j < columns; j++)
                sum[t][j] = (vec){0};

        int64_t k = k0;
        for (; k + LANES <= k1; k += LANES) {
            vec weight[STRIP_ALONE];
            UNROLL for (int j = 0; j < columns; j++)
                weight[j] = v_load(w + j * K + k);
            UNROLL for (int t = 0; t < rows; t++) {
                const vec input = v_load(x + t * K + k);
                UNROLL for (int j = 0; j < columns; j++)
                    sum[t][j] = v_fma(input, weight[j], sum[t][j]);
            }
        }
        if (k < k1)
            for (int t = 0; t < rows; t++) {
                const vec input = v_load_part(x + t * K + k, k1 - k);
                for (int j = 0; j < columns; j++)
                    sum[t][j] = v_fma(input, v_load_part(w + j * K + k, k1 - k), sum[t][j]);
            }

        UNROLL for (int t = 0; t < rows; t++)
            UNROLL for (int j = 0; j < columns; j++)
                total[t][j] += sum[t][j];
    }

    for (int t = 0; t < rows; t++)
        for (int j = 0; j < columns; j++)
            out[t * N + j] = v_sum(total[t][j]);
}

/* All rows of x with `columns` rows of w, which stay in the L1 or L2 cache after the first four rows of x. */
INLINE void out_in_strip(const f32 *x, const f32 *w, f32 *out, int64_t T, int64_t K, int64_t N, int columns)
{
    for (int64_t t = 0; t < T; t += TILE_ROWS) {
        const f32 *inputs = x + t * K;
        f32 *outputs = out + t * N;
        switch (T - t) {
        case 1:
            out_in_tile(inputs, w, outputs, K, N, 1, columns);
            break;
        case 2:
            out_in_tile(inputs, w, outputs, K, N, 2, columns);
            break;
        case 3:
            out_in_tile(inputs, w, outputs, K, N, 3, columns);
            break;
        default:
            out_in_tile(inputs, w, outputs, K, N, TILE_ROWS, columns);
        }
    }
}

static void out_in(const f32 *restrict x, const f32 *restrict w, f32 *restrict out, int64_t T, int64_t K, int64_t N,
                   int64_t n0, int64_t n1)
{
    int64_t n = n0;
    for (; n + STRIP <= n1; n += STRIP)
        out_in_strip(x, w + n * K, out + n, T, K, N, STRIP);
    for (; n < n1; n++)
        out_in_strip(x, w + n * K, out + n, T, K, N, 1);
}

void KERNEL(matmul)(const f32 *x, const f32 *w, f32 *out, int32_t layout, int64_t T, int64_t K, int64_t N, int64_t n0,
                    int64_t n1)
{
    if (layout == ISTHMUS_LAYOUT_IN_OUT)
        in_out(x, w, out, T, K, N, n0, n1);
    else
        out_in(x, w, out, T, K, N, n0, n1);
}
