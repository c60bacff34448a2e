/*
 * Matrix products with weights of 8 and 4 bits. Activations come as signed bytes (quantize.c); products of bytes are
 * added up exactly in integers over a block of inputs, and the blocks' sums, times both scales, in float. Weights are
 * stored with an offset, as unsigned bytes, which is what the dot-product instructions take; a row's sums begin at what
 * the offset will have added.
 *
 * An element's value depends on its row and column alone.
 */
#include "epilogue.h"
#include "quantized.h"
#include "tile.h"

enum {
    /* Their sums and inputs stay in the first-level cache while a panel's weights pass. Both groups fetch half of the
     * block of weights that follows: while the second uses what the first has read, the processor asks for nothing, and
     * 8 rows took 1.17 times as long, 12 rows 1.3 times (Zen 4). */
    ROWS = 2 * TILE_ROWS,

    INT8_STEP = 4 * PANEL, /* bytes of four inputs */
    Q4_STEP = 4 * PANEL,   /* bytes of eight inputs */

    INT8_STEP_LINES = INT8_STEP / LINE_BYTES,
    INT8_SCALE_LINES = PANEL * 2 / LINE_BYTES,

    /* How far ahead weights are fetched: what memory delivers while it is asked, and for 4 bits twice that, as their
     * instructions, three times those of a byte, leave the processor little room to read ahead by itself. */
    INT8_AHEAD = 4096,
    Q4_AHEAD = 8192,
    Q4_LINES = Q4_BLOCK_BYTES / LINE_BYTES,
    Q4_STEPS = ISTHMUS_Q4_BLOCK / 8,

    /* Both the integers of a block and the floats of all blocks stay in registers. */
    Q4_ROWS = IS_AVX512 ? 3 : 2,
};

struct product {
    const char *q;
    int64_t row_bytes;
    const uint8_t *w;
    int64_t K, N;
    struct epilogue epilogue;
};

/* sums[i, n] += one INT8 block: `steps` steps of four inputs; x and blocks are row i = 0's. From `coming` on, `lines`
 * cache lines are fetched for each step, and as large a part of the scales behind them. */
INLINE void int8_tile(const struct product *p, const int8_t *x, const struct row_block *blocks, const uint8_t *w,
                      int64_t steps, float *sums, int rows, int width, const uint8_t *coming, int lines)
{
    const u16 *scales = (const u16 *)(const void *)(w + steps * INT8_STEP);
    UNROLL for (int j = 0; j < lines * INT8_SCALE_LINES / INT8_STEP_LINES; j++)
        __builtin_prefetch(coming + (steps * lines + j) * LINE_BYTES, 0, 2);
    for (int64_t column = 0; column < PANEL; column += width * LANES) {
        vmask sum[TILE_ROWS][ALONE_WIDTH];
        UNROLL for (int i = 0; i < rows; i++) {
            const struct row_block *block = (const void *)((const char *)blocks + i * p->row_bytes);
            UNROLL for (int j = 0; j < width; j++)
                sum[i][j] = block->start - (vmask){0};
        }

        for (int64_t s = 0; s < steps; s++) {
            vbytes weight[ALONE_WIDTH];
            UNROLL for (int j = 0; j < width; j++)
                weight[j] = b_load(w + s * INT8_STEP + (column + j * LANES) * 4);
            if (column == 0)
                UNROLL for (int j = 0; j < lines; j++)
                    __builtin_prefetch(coming + (s * lines + j) * LINE_BYTES, 0, 2);
            UNROLL for (int i = 0; i < rows; i++) {
                const vmask input = b_set4(x + i * p->row_bytes + s * 4);
                UNROLL for (int j = 0; j < width; j++)
                    sum[i][j] = b_dot(sum[i][j], weight[j], input);
            }
        }

        vec scale_of[ALONE_WIDTH];
        UNROLL for (int j = 0; j < width; j++)
            scale_of[j] = v_load_f16(scales + column + j * LANES);
        UNROLL for (int i = 0; i < rows; i++) {
            const struct row_block *block = (const void *)((const char *)blocks + i * p->row_bytes);
            UNROLL for (int j = 0; j < width; j++) {
                float *to = sums + i * PANEL + column + j * LANES;
                const vec scale = block->scale * scale_of[j];
                v_store(to, v_fma(v_of_ints(sum[i][j]), scale, v_load(to)));
            }
        }
    }
}

/* Has a row's columns of a panel in the first-level cache when its sums are complete. Waiting for them then took a
 * tenth of a product's time with K = 768 (Zen 4); asking for all rows at once saves a third of that. */
INLINE void fetch_to_write(const f32 *out, int64_t columns)
{
    for (int64_t j = 0; j < PANEL && j < columns; j += LINE_BYTES / 4)
        __builtin_prefetch(out + j, 1);
}

INLINE void int8_panel(const struct product *p, int64_t t0, int64_t rows_count, int64_t n, float *sums)
{
    const uint8_t *w = p->w + n / PANEL * panel_bytes(ISTHMUS_TYPE_INT8, p->K);
    for (int64_t t = 0; t < rows_count; t++) /* a length that is not constant becomes a slow rep stos */
        memset(sums + t * PANEL, 0, PANEL * sizeof(float));
    int64_t block = 0;
    for (int64_t k0 = 0; k0 < p->K; k0 += ISTHMUS_INT8_BLOCK, block++) {
        const int64_t depth = p->K - k0 < ISTHMUS_INT8_BLOCK ? p->K - k0 : ISTHMUS_INT8_BLOCK;
        const int64_t steps = (depth + 3) / 4;
        const uint8_t *next = w + steps * INT8_STEP + PANEL * (int64_t)sizeof(u16);
#define TILE(t, rows)                                                                                          \
    const char *q = p->q + (t0 + t) * p->row_bytes;                                                            \
    const int8_t *x = (const int8_t *)q + k0;                                                                  \
    const struct row_block *blocks = row_blocks(q, p->K) + block;                                              \
    if (rows_count <= TILE_ROWS) {                                                                             \
        int8_tile(p, x, blocks, w, steps, sums + t * PANEL, rows, rows == 1 ? ALONE_WIDTH : TILE_WIDTH,        \
                  w + INT8_AHEAD, rows == 1 ? INT8_STEP_LINES : 0);                                            \
    } else {                                                                                                   \
        if (block < rows)                                                                                      \
            fetch_to_write(p->epilogue.out + (t0 + t + block) * p->N + n, p->N - n);                           \
        int8_tile(p, x, blocks, w, steps, sums + t * PANEL, rows, TILE_WIDTH,                                  \
                  next + group * (next - w) / 2, INT8_STEP_LINES / 2);                                         \
    }
        FOR_ROW_GROUPS(rows_count, TILE)
#undef TILE
        w = next;
    }
}

/* sums[i, n] = all Q4 blocks of a panel. */
INLINE void q4_tile(const struct product *p, const char *q, const uint8_t *w, float *sums, int rows, int width)
{
    for (int64_t column = 0; column < PANEL; column += width * LANES) {
        vec total[Q4_ROWS][ALONE_WIDTH];
        UNROLL for (int i = 0; i < rows; i++)
            UNROLL for (int j = 0; j < width; j++)
                total[i][j] = (vec){0};

        const uint8_t *block = w;
        const int8_t *x = (const int8_t *)q;
        const struct row_block *blocks = row_blocks(q, p->K);
        for (int64_t k0 = 0; k0 < p->K; k0 += ISTHMUS_Q4_BLOCK) {
            vmask sum[Q4_ROWS][ALONE_WIDTH];
            UNROLL for (int i = 0; i < rows; i++) {
                const struct row_block *row = (const void *)((const char *)blocks + i * p->row_bytes);
                UNROLL for (int j = 0; j < width; j++)
                    sum[i][j] = row->start - (vmask){0};
            }
            UNROLL for (int s = 0; s < Q4_STEPS; s++) {
                if (column == 0)
                    UNROLL for (int line = s * Q4_LINES / Q4_STEPS; line < (s + 1) * Q4_LINES / Q4_STEPS; line++)
                        __builtin_prefetch(block + Q4_AHEAD + line * LINE_BYTES, 0, 2);
                UNROLL for (int j = 0; j < width; j++) {
                    const vbytes both = b_load(block + s * Q4_STEP + (column + j * LANES) * 4);
                    const vbytes low = both & 15, high = b_high_halves(both);
                    UNROLL for (int i = 0; i < rows; i++) {
                        const int8_t *inputs = x + i * p->row_bytes + s * 8;
                        sum[i][j] = b_dot(sum[i][j], low, b_set4(inputs));
                        sum[i][j] = b_dot(sum[i][j], high, b_set4(inputs + 4));
                    }
                }
            }
            const u16 *scales = (const u16 *)(const void *)(block + Q4_STEPS * Q4_STEP);
            UNROLL for (int i = 0; i < rows; i++) {
                const struct row_block *row = (const void *)((const char *)blocks + i * p->row_bytes);
                UNROLL for (int j = 0; j < width; j++) {
                    const vec scale = row->scale * v_load_f16(scales + column + j * LANES);
                    total[i][j] = v_fma(v_of_ints(sum[i][j]), scale, total[i][j]);
                }
            }
            block += Q4_BLOCK_BYTES;
            x += ISTHMUS_Q4_BLOCK;
            blocks++;
        }
        UNROLL for (int i = 0; i < rows; i++)
            UNROLL for (int j = 0; j < width; j++)
                v_store(sums + i * PANEL + column + j * LANES, total[i][j]);
    }
}

INLINE void q4_panel(const struct product *p, int64_t t0, int64_t rows_count, int64_t n, float *sums)
{
    const uint8_t *w = p->w + n / PANEL * panel_bytes(ISTHMUS_TYPE_Q4, p->K);
    int64_t t = 0;
    for (; t + Q4_ROWS <= rows_count; t += Q4_ROWS)
        q4_tile(p, p->q + (t0 + t) * p->row_bytes, w, sums + t * PANEL, Q4_ROWS, TILE_WIDTH);
    for (; t < rows_count; t++)
        q4_tile(p, p->q + (t0 + t) * p->row_bytes, w, sums + t * PANEL, 1, TILE_WIDTH);
}

void KERNEL(matmul_quantized)(const void *q, const void *w, int32_t type, const struct epilogue *epilogue, int64_t K,
                              int64_t N, int64_t t0, int64_t t1, int64_t n0, int64_t n1)
{
    float sums[ROWS * PANEL] __attribute__((aligned(LINE_BYTES)));
    const struct product product = {q, quantized_row_bytes(type, K), w, K, N, *epilogue};
    for (int64_t n = n0; n < n1; n += PANEL)
        for (int64_t t = t0; t < t1; t += ROWS) {
            const int64_t rows = t1 - t < ROWS ? t1 - t : ROWS;
            if (type == ISTHMUS_TYPE_INT8)
                int8_panel(&product, t, rows, n, sums);
            else
                q4_panel(&product, t, rows, n, sums);
            finish_panel(epilogue, 1, sums, t, rows, n, N);
        }
}
