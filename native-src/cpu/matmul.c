/*
 * Matrix products with weights of floats, in panels. Up to ROWS rows of x go through a panel together: a block of its
 * weights, K_BLOCK inputs deep, stays in the second-level cache while all of them use it, and the block that follows in
 * memory is fetched meanwhile. Reading weights is all that one row does, and then they come in one stream.
 *
 * Sums are taken in one chain within a block of inputs, then the blocks' sums one after another: for K = 3072 that is
 * 24 chains of 128 instead of one of 3072, and the rounding error shrinks accordingly. The order of an element's
 * additions depends on K alone.
 */
#include "epilogue.h"
#include "tile.h"

enum {
    K_BLOCK = 128,
    ROWS = 16 * TILE_ROWS,

    /* Up to FEW_ROWS rows take a block in parts that stay in the first-level cache from one group of rows to the next,
     * without breaking its chains: 8 rows are 7 % faster for it. With more rows the sums put by and taken up again cost
     * more than that brings. */
    FEW_ROWS = 2 * TILE_ROWS,
    PART = (K_BLOCK + 2) / 3,

    /* Inputs that one row fetches ahead: 4 KB of float32, what memory delivers while it is asked. A few rows leave that
     * to the processor: asking too made 4 rows slower by up to a third (Zen 4). */
    AHEAD = 16,
};

struct product {
    const f32 *x;
    const char *w;
    int64_t K, N;
    struct epilogue epilogue;
};

enum { ALL_LINES = PANEL * 4 / LINE_BYTES };

/* A block of inputs, or part of one, for more rows than a tile has. The first two groups fetch half of the coming lines
 * each. */
static void block_product(struct tile tile, int64_t rows_count)
{
    const f32 *x = tile.x;
    f32 *sums = tile.sums, *chains = tile.chains;
    const char *coming = tile.coming;
#define TILE(t, rows)                                                        \
    tile.x = x + t * tile.x_stride;                                          \
    tile.sums = sums + t * PANEL;                                            \
    tile.chains = chains + t * PANEL;                                        \
    tile.coming = coming + group * (ALL_LINES / 2) * LINE_BYTES;             \
    if (group < 2)                                                           \
        run_tile(&tile, ISTHMUS_TYPE_F32, rows, PANEL, ALL_LINES / 2);       \
    else                                                                     \
        run_tile(&tile, ISTHMUS_TYPE_F32, rows, PANEL, 0);
    FOR_ROW_GROUPS(rows_count, TILE)
#undef TILE
}

/* sums = the rows from t0 on, as many as a tile has or fewer, times a panel of weights. */
INLINE void one_group(const struct product *p, int32_t type, int64_t t0, int64_t rows_count, const char *panel,
                      float *sums)
{
    const int64_t input_bytes = PANEL * element_bytes(type);
    const int lines = (int)input_bytes / LINE_BYTES;
    for (int64_t k0 = 0; k0 < p->K; k0 += K_BLOCK) {
        const char *weights = panel + k0 * input_bytes;
        const struct tile tile = {.x = p->x + t0 * p->K + k0, .x_stride = p->K, .w = weights, .w_stride = PANEL,
                                  .depth = p->K - k0 < K_BLOCK ? p->K - k0 : K_BLOCK, .sums = sums,
                                  .sums_stride = PANEL, .add = k0 > 0, .coming = weights + AHEAD * input_bytes};
#define TILE(t, rows) run_tile(&tile, type, rows, PANEL, rows == 1 ? lines : 0);
        FOR_ROW_GROUPS(rows_count, TILE)
#undef TILE
    }
}

/* As `one_group` for more rows. */
INLINE void several_groups(const struct product *p, int32_t type, int64_t t0, int64_t rows_count, const char *panel,
                           float *sums)
{
    float chains[ROWS * PANEL] __attribute__((aligned(LINE_BYTES)));
    float widened[K_BLOCK * PANEL] __attribute__((aligned(LINE_BYTES)));
    const int64_t input_bytes = PANEL * element_bytes(type), most = rows_count <= FEW_ROWS ? PART : K_BLOCK;
    for (int64_t k0 = 0, depth; k0 < p->K; k0 += depth) {
        const int64_t done = k0 % K_BLOCK, left = p->K - k0 < K_BLOCK - done ? p->K - k0 : K_BLOCK - done;
        depth = left < most ? left : most;
        const char *weights = panel + k0 * input_bytes;
        struct tile tile = {.x = p->x + t0 * p->K + k0, .x_stride = p->K, .w = weights, .w_stride = PANEL,
                            .depth = depth, .sums = sums, .sums_stride = PANEL, .add = k0 >= K_BLOCK,
                            .chains = chains, .resumes = done > 0, .pauses = depth < left,
                            .coming = weights + most * input_bytes};
        if (type != ISTHMUS_TYPE_F32) {
            widen(widened, weights, type, depth, PANEL);
            tile.w = widened;
        }
        block_product(tile, rows_count);
    }
}

/* `rows_count` rows of x from t0 on times the panel of columns n to n + 64. */
INLINE void panel_product(const struct product *p, int32_t type, int64_t t0, int64_t rows_count, int64_t n)
{
    float sums[ROWS * PANEL] __attribute__((aligned(LINE_BYTES)));
    const char *panel = p->w + n * p->K * element_bytes(type);
    if (rows_count <= TILE_ROWS)
        one_group(p, type, t0, rows_count, panel, sums);
    else
        several_groups(p, type, t0, rows_count, panel, sums);
    finish_panel(&p->epilogue, 0, sums, t0, rows_count, n, p->N);
}

INLINE void all_panels(const struct product *p, int32_t type, int64_t t0, int64_t t1, int64_t n0, int64_t n1)
{
    for (int64_t t = t0; t < t1; t += ROWS)
        for (int64_t n = n0; n < n1; n += PANEL)
            panel_product(p, type, t, t1 - t < ROWS ? t1 - t : ROWS, n);
}

void KERNEL(matmul)(const void *x, const void *w, int32_t type, const struct epilogue *epilogue, int64_t K, int64_t N,
                    int64_t t0, int64_t t1, int64_t n0, int64_t n1)
{
    const struct product product = {x, w, K, N, *epilogue};
    switch (type) {
    case ISTHMUS_TYPE_F16:
        all_panels(&product, ISTHMUS_TYPE_F16, t0, t1, n0, n1);
        break;
    case ISTHMUS_TYPE_BF16:
        all_panels(&product, ISTHMUS_TYPE_BF16, t0, t1, n0, n1);
        break;
    default:
        all_panels(&product, ISTHMUS_TYPE_F32, t0, t1, n0, n1);
    }
}
