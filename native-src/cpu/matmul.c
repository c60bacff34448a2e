/*
 * Matrix products with few rows, T <= ISTHMUS_MATMUL_MAX_ROWS, where the time goes into reading the weights.
 *
 * Sums are taken in blocks of the inner dimension: one chain within a block, then the blocks' sums one after
 * another. For K = 3072 that is 96 chains of 32 instead of one of 3072, and the rounding error shrinks accordingly.
 * The order of an element's additions depends on K and the level alone, not on T, N or [n0, n1).
 */
#include "kernels.h"

#define UNROLL _Pragma("GCC unroll 8")

enum {
    BLOCK = 32,   /* inner indices (IN_OUT) or vectors of them (OUT_IN) summed in one chain */
    PANEL = 1024, /* columns whose block of weights, 128 KB, is fetched into the L2 cache while another is used */
    LINE = 16,    /* floats in a cache line */

    /* A tile's sums, rows x vectors of columns (IN_OUT) or rows x columns (OUT_IN), must fit in the registers beside
     * the weights: 32 with AVX-512 and NEON, else 16. A row alone takes more columns, to hide the latency of FMA. */
    TILE_ROWS = 6,
    TILE_WIDTH = LEVEL == ISTHMUS_LEVEL_AVX512 || LEVEL == ISTHMUS_LEVEL_NEON ? 4 : 2,
    ALONE_WIDTH = 8,
};

struct product {
    const f32 *x, *w;
    f32 *out;
    int64_t T, K, N;
};

/* Runs a tile for each group of rows, the groups as equal as can be, with the number of rows known to the compiler.
 * CALL is made with t, the group's first row, and the constant number. */
#define CASE(rows, CALL)   \
    case rows:             \
        CALL(t, rows)      \
        break;
#define FOR_ROW_GROUPS(T, CALL)                                                                  \
    for (int64_t t = 0, left = ((T) + TILE_ROWS - 1) / TILE_ROWS, rows; left > 0; left--, t += rows) { \
        rows = ((T) - t + left - 1) / left;                                                      \
        switch (rows) {                                                                          \
            CASE(1, CALL) CASE(2, CALL) CASE(3, CALL) CASE(4, CALL) CASE(5, CALL) CASE(6, CALL)  \
        }                                                                                        \
    }

/* ---- w [K, N] ---- */

/*
 * The weights to be fetched next: `rows` rows of [begin, end) from `row` on, of which `column` is the next in the
 * first. Memory gives its full speed to reads in order, which the tiles' are not: they read a few lines of each row of
 * a block. So each step of a tile fetches as many lines of the coming block, in order, as it uses of the present one.
 */
struct fetch {
    const f32 *row;
    int64_t column, begin, end, rows, stride;
};

INLINE void fetch_lines(struct fetch *f, int lines)
{
    if (f->rows <= 0)
        return;
    UNROLL for (int i = 0; i < lines; i++)
        __builtin_prefetch((const char *)f->row + (f->column + i * LINE) * (int64_t)sizeof(float), 0, 2);
    f->column += lines * LINE;
    if (f->column >= f->end) {
        f->column = f->begin;
        f->row += f->stride;
        f->rows--;
    }
}

/* The block after inner indices up to k1 of the panel [begin, end) of [.., n1): below it, or at the top of the next. */
INLINE struct fetch fetch_after(const struct product *p, int64_t k1, int64_t begin, int64_t end, int64_t n1)
{
    if (k1 < p->K)
        return (struct fetch){p->w + k1 * p->N, begin, begin, end, p->K - k1 < BLOCK ? p->K - k1 : BLOCK, p->N};
    const int64_t next_end = end + PANEL < n1 ? end + PANEL : n1;
    return (struct fetch){p->w, end, end, next_end, end == n1 ? 0 : p->K < BLOCK ? p->K : BLOCK, p->N};
}

/* Adds the products of one block, inner indices [k0, k1), to `rows` rows from t and `width` vectors of columns from n.
 * With part > 0 there is one vector and only its first part lanes count. */
INLINE void in_out_tile(const struct product *p, int64_t k0, int64_t k1, int64_t t, int rows, int64_t n, int width,
                        int64_t part, struct fetch *fetch)
{
    vec sum[TILE_ROWS][ALONE_WIDTH];
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int j = 0; j < width; j++)
            sum[i][j] = (vec){0};

    for (int64_t k = k0; k < k1; k++) {
        const f32 *weights = p->w + k * p->N + n;
        vec weight[ALONE_WIDTH];
        UNROLL for (int j = 0; j < width; j++)
            weight[j] = part ? v_load_part(weights, part) : v_load(weights + j * LANES);
        if (fetch)
            fetch_lines(fetch, (width * LANES + LINE - 1) / LINE);
        UNROLL for (int i = 0; i < rows; i++) {
            const vec input = v_set(p->x[(t + i) * p->K + k]);
            UNROLL for (int j = 0; j < width; j++)
                sum[i][j] = v_fma(input, weight[j], sum[i][j]);
        }
    }

    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int j = 0; j < width; j++) {
            f32 *o = p->out + (t + i) * p->N + n + j * LANES;
            if (part)
                v_store_part(o, k0 ? v_load_part(o, part) + sum[i][j] : sum[i][j], part);
            else
                v_store(o, k0 ? v_load(o) + sum[i][j] : sum[i][j]);
        }
}

/* All rows over one block and `width` vectors of columns; after the first rows the weights come from the caches. */
INLINE void in_out_strip(const struct product *p, int64_t k0, int64_t k1, int64_t n, int width, int64_t part,
                         struct fetch *fetch)
{
#define TILE(t, rows) in_out_tile(p, k0, k1, t, rows, n, width, part, t == 0 ? fetch : 0);
    FOR_ROW_GROUPS(p->T, TILE)
#undef TILE
}

static void in_out(const struct product *p, int64_t n0, int64_t n1)
{
    for (int64_t begin = n0; begin < n1; begin += PANEL) {
        const int64_t end = begin + PANEL < n1 ? begin + PANEL : n1;
        for (int64_t k0 = 0; k0 < p->K; k0 += BLOCK) {
            const int64_t k1 = k0 + BLOCK < p->K ? k0 + BLOCK : p->K;
            struct fetch fetch = fetch_after(p, k1, begin, end, n1);
            int64_t n = begin;
            if (p->T == 1)
                for (; n + ALONE_WIDTH * LANES <= end; n += ALONE_WIDTH * LANES)
                    in_out_tile(p, k0, k1, 0, 1, n, ALONE_WIDTH, 0, &fetch);
            for (; n + TILE_WIDTH * LANES <= end; n += TILE_WIDTH * LANES)
                in_out_strip(p, k0, k1, n, TILE_WIDTH, 0, &fetch);
            for (; n + LANES <= end; n += LANES)
                in_out_strip(p, k0, k1, n, 1, 0, &fetch);
            if (n < end)
                in_out_strip(p, k0, k1, n, 1, end - n, &fetch);
        }
    }
}

/* ---- w [N, K] ---- */

/* The dot products of `rows` rows of x from t with `width` rows of w from n. With fetch, the next `width` rows are
 * fetched meanwhile: read in order, but several at once, they are too short for the machine to see it coming. */
INLINE void out_in_tile(const struct product *p, int64_t t, int rows, int64_t n, int width, int fetch)
{
    enum { MOST = TILE_ROWS * TILE_WIDTH > ALONE_WIDTH ? TILE_ROWS * TILE_WIDTH : ALONE_WIDTH };
    const int64_t K = p->K;
    const f32 *x = p->x + t * K, *w = p->w + n * K;
    vec total[(MOST + LANES - 1) / LANES * LANES] = {{0}};
    for (int64_t k0 = 0; k0 < K; k0 += BLOCK * LANES) {
        const int64_t k1 = k0 + BLOCK * LANES < K ? k0 + BLOCK * LANES : K;
        vec sum[TILE_ROWS][ALONE_WIDTH];
        UNROLL for (int i = 0; i < rows; i++)
            UNROLL for (int j = 0; j < width; j++)
                sum[i][j] = (vec){0};

        int64_t k = k0;
        for (; k + LANES <= k1; k += LANES) {
            vec weight[ALONE_WIDTH];
            UNROLL for (int j = 0; j < width; j++) {
                weight[j] = v_load(w + j * K + k);
                if (fetch)
                    __builtin_prefetch((const char *)w + ((j + width) * K + k) * (int64_t)sizeof(float), 0, 2);
            }
            UNROLL for (int i = 0; i < rows; i++) {
                const vec input = v_load(x + i * K + k);
                UNROLL for (int j = 0; j < width; j++)
                    sum[i][j] = v_fma(input, weight[j], sum[i][j]);
            }
        }
        if (k < k1)
            UNROLL for (int i = 0; i < rows; i++) {
                const vec input = v_load_part(x + i * K + k, k1 - k);
                UNROLL for (int j = 0; j < width; j++)
                    sum[i][j] = v_fma(input, v_load_part(w + j * K + k, k1 - k), sum[i][j]);
            }

        UNROLL for (int i = 0; i < rows; i++)
            UNROLL for (int j = 0; j < width; j++)
                total[i * width + j] += sum[i][j];
    }

    float products[sizeof total / sizeof total[0]];
    for (int i = 0; i < rows * width; i += LANES)
        v_store(products + i, v_sums(total + i));
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < width; j++)
            p->out[(t + i) * p->N + n + j] = products[i * width + j];
}

static void out_in(const struct product *p, int64_t n0, int64_t n1)
{
    int64_t n = n0;
    if (p->T == 1)
        for (; n + ALONE_WIDTH <= n1; n += ALONE_WIDTH)
            out_in_tile(p, 0, 1, n, ALONE_WIDTH, 1);
#define TILE(t, rows) out_in_tile(p, t, rows, n, TILE_WIDTH, t == 0);
    for (; n + TILE_WIDTH <= n1; n += TILE_WIDTH)
        FOR_ROW_GROUPS(p->T, TILE)
#undef TILE
#define TILE(t, rows) out_in_tile(p, t, rows, n, 1, 0);
    for (; n < n1; n++)
        FOR_ROW_GROUPS(p->T, TILE)
#undef TILE
}

void KERNEL(matmul)(const f32 *x, const f32 *w, f32 *out, int32_t layout, int64_t T, int64_t K, int64_t N, int64_t n0,
                    int64_t n1)
{
    const struct product product = {x, w, out, T, K, N};
    if (layout == ISTHMUS_LAYOUT_IN_OUT)
        in_out(&product, n0, n1);
    else
        out_in(&product, n0, n1);
}
