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

/* One block of inputs for more rows than a tile has. The first two groups fetch half of the coming lines each. */
static void block_product(struct tile tile, const f32 *x, float *sums, int64_t rows_count)
{
    const char *coming = tile.coming;
#define TILE(t, rows)                                                        \
    tile.x = x + t * tile.x_stride;                                          \
    tile.sums = sums + t * PANEL;                                            \
    tile.coming = coming + group * (ALL_LINES / 2) * LINE_BYTES;             \
    if (group < 2)                                                           \
        run_tile(&tile, ISTHMUS_TYPE_F32, rows, PANEL, ALL_LINES / 2);       \
    else                                                                     \
        run_tile(&tile, ISTHMUS_TYPE_F32, rows, PANEL, 0);
    FOR_ROW_GROUPS(rows_count, TILE)
#undef TILE
}

/* `rows_count` rows of x from t0 on times the panel of columns n to n + 64. */
INLINE void panel_product(const struct product *p, int32_t type, int64_t t0, int64_t rows_count, int64_t n)
{
    float sums[ROWS * PANEL] __attribute__((aligned(LINE_BYTES)));
    float widened[K_BLOCK * PANEL] __attribute__((aligned(LINE_BYTES)));
    const int64_t input_bytes = PANEL * element_bytes(type);
    const char *panel = p->w + n * p->K * element_bytes(type);
    const int lines = type == ISTHMUS_TYPE_F32 ? ALL_LINES : ALL_LINES / 2;

    for (int64_t k0 = 0; k0 < p->K; k0 += K_BLOCK) {
        const int64_t depth = p->K - k0 < K_BLOCK ? p->K - k0 : K_BLOCK;
        const char *weights = panel + k0 * input_bytes;
        const f32 *x = p->x + t0 * p->K + k0;
        const int64_t ahead = rows_count <= TILE_ROWS ? AHEAD : K_BLOCK;
        struct tile tile = {.x = x, .x_stride = p->K, .w = weights, .w_stride = PANEL, .depth = depth, .sums = sums,
                            .sums_stride = PANEL, .add = k0 > 0, .coming = weights + ahead * input_bytes};
        if (rows_count <= TILE_ROWS) { /* one group, so that t is 0 */
#define TILE(t, rows) run_tile(&tile, type, rows, PANEL, rows == 1 ? lines : 0);
            FOR_ROW_GROUPS(rows_count, TILE)
#undef TILE
            continue;
        }
        if (type != ISTHMUS_TYPE_F32) {
            widen(widened, weights, type, depth, PANEL);
            tile.w = widened;
        }
        block_product(tile, x, sums, rows_count);
    }
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
