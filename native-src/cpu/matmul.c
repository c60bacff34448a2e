/*
 * Matrix products with weights of floats in packed panels. Up to MC rows of x go through a panel together: a block of
 * its weights, KC inputs deep, stays in the second-level cache while all of them use it, and the next block is
 * prefetched meanwhile. A single row only reads weights, in one stream.
 *
 * Within a block of inputs a sum is one chain of additions, and the blocks' sums are added one after another: for
 * K = 3072 that is 24 chains of 128 instead of one of 3072, and the rounding error shrinks accordingly. The order of an
 * element's additions depends on K alone.
 */
#include "epilogue.h"
#include "gemm.h"

enum {
    KC = 128,
    MC = 16 * MR,

    /* Up to FEW_ROWS rows take a block in parts of PART inputs that stay in the first-level cache from one group of
     * rows to the next, and spill their partial sums between parts: 8 rows are 7 % faster for it. With more rows
     * spilling and reloading costs more than it saves. */
    FEW_ROWS = 2 * MR,
    PART = (KC + 2) / 3,

    /* Inputs that a single row prefetches: 4 KB of float32, what memory delivers during its latency. A few rows leave
     * that to the processor: prefetching too made 4 rows slower by up to a third (Zen 4). */
    AHEAD = 16,

    LINES_F32 = PANEL * 4 / LINE_BYTES,
};

struct matmul {
    const f32 *x;
    const char *w;
    int64_t K, N;
    struct isthmus_epilogue epilogue;
};

/* Prefetches only where a single row reads the weights. */
INLINE void small_m_kernel(const struct gemm *g, int32_t type, int lines, int rows)
{
    macro_kernel(g, type, PANEL, rows == 1 ? lines : 0, rows);
}

/* One group of rows, from row t0 on, times a panel. */
INLINE void gemm_small_m(const struct matmul *m, int32_t type, int64_t t0, int64_t rows_count, const char *panel,
                         float *sums)
{
    const int64_t K = m->K, input_bytes = PANEL * element_bytes(type);
    const int lines = (int)input_bytes / LINE_BYTES;
    for (int64_t k0 = 0; k0 < K; k0 += KC) {
        const char *weights = panel + k0 * input_bytes;
        const struct gemm gemm = {.x = m->x + t0 * K + k0, .x_stride = K, .w = weights, .w_stride = PANEL,
                                  .depth = K - k0 < KC ? K - k0 : KC, .sums = sums, .sums_stride = PANEL,
                                  .accumulate = k0 > 0, .prefetch = weights + AHEAD * input_bytes};
        CALL_WITH_ROWS(small_m_kernel, rows_count, &gemm, type, lines)
    }
}

/* A block of inputs, or a part of one, for several groups of rows. The first two groups prefetch half of the next
 * weights each. */
static void gemm_block(struct gemm block, int64_t rows_count)
{
    FOR_ROW_GROUPS(g, rows_count) {
        struct gemm gemm = block;
        gemm.x += g.t * block.x_stride;
        gemm.sums += g.t * PANEL;
        gemm.partial += g.t * PANEL;
        gemm.prefetch += g.index * (LINES_F32 / 2) * LINE_BYTES;
        if (g.index < 2)
            CALL_WITH_ROWS(macro_kernel, g.rows, &gemm, ISTHMUS_TYPE_F32, PANEL, LINES_F32 / 2)
        else
            CALL_WITH_ROWS(macro_kernel, g.rows, &gemm, ISTHMUS_TYPE_F32, PANEL, 0)
    }
}

/* As gemm_small_m for several groups of rows, which share weights widened to float. */
INLINE void gemm_blocked(const struct matmul *m, int32_t type, int64_t t0, int64_t rows_count, const char *panel,
                         float *sums)
{
    float partial[MC * PANEL] __attribute__((aligned(LINE_BYTES)));
    float widened[KC * PANEL] __attribute__((aligned(LINE_BYTES)));
    const int64_t K = m->K, input_bytes = PANEL * element_bytes(type), max_depth = rows_count <= FEW_ROWS ? PART : KC;
    for (int64_t k0 = 0, depth; k0 < K; k0 += depth) {
        const int64_t done = k0 % KC, left = K - k0 < KC - done ? K - k0 : KC - done;
        depth = left < max_depth ? left : max_depth;
        const char *weights = panel + k0 * input_bytes;
        struct gemm gemm = {.x = m->x + t0 * K + k0, .x_stride = K, .w = weights, .w_stride = PANEL,
                            .depth = depth, .sums = sums, .sums_stride = PANEL, .accumulate = k0 >= KC,
                            .partial = partial, .reload = done > 0, .spill = depth < left,
                            .prefetch = weights + max_depth * input_bytes};
        if (type != ISTHMUS_TYPE_F32) {
            widen(widened, weights, type, depth, PANEL);
            gemm.w = widened;
        }
        gemm_block(gemm, rows_count);
    }
}

/* `rows_count` rows of x from t0 on times the panel of columns [n, n + 64). */
INLINE void panel_product(const struct matmul *m, int32_t type, int64_t t0, int64_t rows_count, int64_t n)
{
    float sums[MC * PANEL] __attribute__((aligned(LINE_BYTES)));
    const char *panel = m->w + n * m->K * element_bytes(type);
    if (rows_count <= MR)
        gemm_small_m(m, type, t0, rows_count, panel, sums);
    else
        gemm_blocked(m, type, t0, rows_count, panel, sums);
    finish_panel(&m->epilogue, 0, sums, t0, rows_count, n, m->N);
}

INLINE void all_panels(const struct matmul *m, int32_t type, int64_t t0, int64_t t1, int64_t n0, int64_t n1)
{
    for (int64_t t = t0; t < t1; t += MC)
        for (int64_t n = n0; n < n1; n += PANEL)
            panel_product(m, type, t, t1 - t < MC ? t1 - t : MC, n);
}

void KERNEL(matmul)(const void *x, const struct isthmus_matrix *w, const struct isthmus_epilogue *epilogue, int64_t t0,
                    int64_t t1, int64_t n0, int64_t n1)
{
    const struct matmul matmul = {x, w->data, w->K, w->N, *epilogue};
    switch (w->type) {
    case ISTHMUS_TYPE_F16:
        all_panels(&matmul, ISTHMUS_TYPE_F16, t0, t1, n0, n1);
        break;
    case ISTHMUS_TYPE_BF16:
        all_panels(&matmul, ISTHMUS_TYPE_BF16, t0, t1, n0, n1);
        break;
    default:
        all_panels(&matmul, ISTHMUS_TYPE_F32, t0, t1, n0, n1);
    }
}
