/*
 * Matrix products with weights of 8 and 4 bits. Activations come as signed bytes (quantize.c); products of bytes are
 * accumulated exactly in integers over a block of inputs, and the blocks' sums, times both scales, in float. Weights
 * are stored with an offset, as unsigned bytes, which is what the dot-product instructions take; a row's sums begin
 * with the offset's share of the product, negated.
 *
 * An element's value depends on its row and column alone.
 */
#include "epilogue.h"
#include "gemm.h"
#include "quantized.h"

enum {
    /* Two groups' sums and inputs stay in the first-level cache while a panel's weights pass. Each group prefetches
     * half of the next block of weights: while the second group reads what the first has read, the processor prefetches
     * nothing by itself, and 8 rows took 1.17 times as long, 12 rows 1.3 times (Zen 4). */
    MC = 2 * MR,

    INT8_STEP = 4 * PANEL, /* bytes of four inputs */
    Q4_STEP = 4 * PANEL,   /* bytes of eight inputs */

    INT8_STEP_LINES = INT8_STEP / LINE_BYTES,
    INT8_SCALE_LINES = PANEL * 2 / LINE_BYTES,

    /* How far ahead a single row prefetches: what memory delivers during its latency, and for 4 bits twice that, as
     * their instructions, three times those of a byte, leave the processor little room to read ahead by itself. */
    INT8_AHEAD = 4096,
    Q4_AHEAD = 8192,
    Q4_LINES = Q4_BLOCK_BYTES / LINE_BYTES,
    Q4_STEPS = ISTHMUS_Q4_BLOCK / 8,

    /* Both a block's integers and all blocks' floats stay in registers. */
    Q4_MR = IS_AVX512 ? 3 : 2,
};

struct matmul {
    const char *q;
    int64_t row_bytes;
    const uint8_t *w;
    int64_t K, N;
    struct isthmus_epilogue epilogue;
};

/* sums[i, n] += one INT8 block of a panel: x and blocks are row 0's, the next rows' lie row_bytes apart. */
struct int8_gemm {
    const int8_t *x;
    const struct row_block *blocks;
    int64_t row_bytes;
    const uint8_t *w;
    int64_t steps; /* of four inputs */
    float *sums;
    const uint8_t *prefetch; /* `lines` cache lines for each step, and as large a part of the scales after them */
};

INLINE const struct row_block *block_of_row(const struct row_block *blocks, int i, int64_t row_bytes)
{
    return (const void *)((const char *)blocks + i * row_bytes);
}

INLINE void int8_micro_kernel(const struct int8_gemm *g, int64_t column, int width, int lines, int rows)
{
    vmask sum[MR][NR_SINGLE_ROW];
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int j = 0; j < width; j++)
            sum[i][j] = block_of_row(g->blocks, i, g->row_bytes)->start - (vmask){0};

    const int8_t *x = g->x;
    const uint8_t *w = g->w, *prefetch = g->prefetch;
    const int64_t row_bytes = g->row_bytes, steps = g->steps;
    for (int64_t s = 0; s < steps; s++) {
        vbytes weight[NR_SINGLE_ROW];
        UNROLL for (int j = 0; j < width; j++)
            weight[j] = b_load(w + s * INT8_STEP + (column + j * LANES) * 4);
        UNROLL for (int j = 0; j < lines; j++)
            __builtin_prefetch(prefetch + (s * lines + j) * LINE_BYTES, 0, 2);
        UNROLL for (int i = 0; i < rows; i++) {
            const vmask input = b_set4(x + i * row_bytes + s * 4);
            UNROLL for (int j = 0; j < width; j++)
                sum[i][j] = b_dot(sum[i][j], weight[j], input);
        }
    }

    const u16 *scales = (const u16 *)(const void *)(w + steps * INT8_STEP);
    vec scale_of[NR_SINGLE_ROW];
    UNROLL for (int j = 0; j < width; j++)
        scale_of[j] = v_load_f16(scales + column + j * LANES);
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int j = 0; j < width; j++) {
            float *to = g->sums + i * PANEL + column + j * LANES;
            const vec scale = block_of_row(g->blocks, i, row_bytes)->scale * scale_of[j];
            v_store(to, v_fma(v_of_ints(sum[i][j]), scale, v_load(to)));
        }
}

/* The micro-kernel over all columns of a panel; the first micro-panel prefetches. */
INLINE void int8_macro_kernel(const struct int8_gemm *g, int width, int lines, int rows)
{
    UNROLL for (int j = 0; j < lines * INT8_SCALE_LINES / INT8_STEP_LINES; j++)
        __builtin_prefetch(g->prefetch + (g->steps * lines + j) * LINE_BYTES, 0, 2);
    for (int64_t column = 0; column < PANEL; column += width * LANES)
        int8_micro_kernel(g, column, width, column == 0 ? lines : 0, rows);
}

/* One group of rows; only a single row prefetches. */
INLINE void int8_gemm_small_m(const struct int8_gemm *g, int rows)
{
    int8_macro_kernel(g, rows == 1 ? NR_SINGLE_ROW : NR, rows == 1 ? INT8_STEP_LINES : 0, rows);
}

/* One of two groups of rows. */
INLINE void int8_gemm_blocked(const struct int8_gemm *g, int rows)
{
    int8_macro_kernel(g, NR, INT8_STEP_LINES / 2, rows);
}

/* Prefetches a row's columns of a panel for the epilogue to write. Waiting for them took a tenth of a product's time
 * with K = 768 (Zen 4); asking for all rows at once saves a third of that. */
INLINE void prefetch_output(const f32 *out, int64_t columns)
{
    for (int64_t j = 0; j < PANEL && j < columns; j += LINE_BYTES / 4)
        __builtin_prefetch(out + j, 1);
}

INLINE void int8_panel(const struct matmul *m, int64_t t0, int64_t rows_count, int64_t n, float *sums)
{
    const uint8_t *w = m->w + n / PANEL * panel_bytes(ISTHMUS_TYPE_INT8, m->K);
    for (int64_t t = 0; t < rows_count; t++) /* a length that is not constant becomes a slow rep stos */
        memset(sums + t * PANEL, 0, PANEL * sizeof(float));
    int64_t block = 0;
    for (int64_t k0 = 0; k0 < m->K; k0 += ISTHMUS_INT8_BLOCK, block++) {
        const int64_t depth = m->K - k0 < ISTHMUS_INT8_BLOCK ? m->K - k0 : ISTHMUS_INT8_BLOCK;
        const int64_t steps = (depth + 3) / 4;
        const uint8_t *next = w + steps * INT8_STEP + PANEL * (int64_t)sizeof(u16);
        FOR_ROW_GROUPS(g, rows_count) {
            const char *q = m->q + (t0 + g.t) * m->row_bytes;
            struct int8_gemm gemm = {.x = (const int8_t *)q + k0, .blocks = row_blocks(q, m->K) + block,
                                     .row_bytes = m->row_bytes, .w = w, .steps = steps, .sums = sums + g.t * PANEL};
            if (rows_count <= MR) {
                gemm.prefetch = w + INT8_AHEAD;
                CALL_WITH_ROWS(int8_gemm_small_m, g.rows, &gemm)
            } else {
                if (block < g.rows)
                    prefetch_output(m->epilogue.out + (t0 + g.t + block) * m->N + n, m->N - n);
                gemm.prefetch = next + g.index * (next - w) / 2;
                CALL_WITH_ROWS(int8_gemm_blocked, g.rows, &gemm)
            }
        }
        w = next;
    }
}

/* sums[i, n] = all Q4 blocks of a panel times `rows` rows, q row 0's. */
INLINE void q4_macro_kernel(const struct matmul *m, const char *q, const uint8_t *w, float *sums, int rows)
{
    for (int64_t column = 0; column < PANEL; column += NR * LANES) {
        vec total[Q4_MR][NR];
        UNROLL for (int i = 0; i < rows; i++)
            UNROLL for (int j = 0; j < NR; j++)
                total[i][j] = (vec){0};

        const uint8_t *block = w;
        const int8_t *x = (const int8_t *)q;
        const struct row_block *blocks = row_blocks(q, m->K);
        for (int64_t k0 = 0; k0 < m->K; k0 += ISTHMUS_Q4_BLOCK) {
            vmask sum[Q4_MR][NR];
            UNROLL for (int i = 0; i < rows; i++)
                UNROLL for (int j = 0; j < NR; j++)
                    sum[i][j] = block_of_row(blocks, i, m->row_bytes)->start - (vmask){0};
            UNROLL for (int s = 0; s < Q4_STEPS; s++) {
                if (column == 0)
                    UNROLL for (int line = s * Q4_LINES / Q4_STEPS; line < (s + 1) * Q4_LINES / Q4_STEPS; line++)
                        __builtin_prefetch(block + Q4_AHEAD + line * LINE_BYTES, 0, 2);
                UNROLL for (int j = 0; j < NR; j++) {
                    const vbytes both = b_load(block + s * Q4_STEP + (column + j * LANES) * 4);
                    const vbytes low = both & 15, high = b_high_halves(both);
                    UNROLL for (int i = 0; i < rows; i++) {
                        const int8_t *inputs = x + i * m->row_bytes + s * 8;
                        sum[i][j] = b_dot(sum[i][j], low, b_set4(inputs));
                        sum[i][j] = b_dot(sum[i][j], high, b_set4(inputs + 4));
                    }
                }
            }
            const u16 *scales = (const u16 *)(const void *)(block + Q4_STEPS * Q4_STEP);
            UNROLL for (int i = 0; i < rows; i++)
                UNROLL for (int j = 0; j < NR; j++) {
                    const float row_scale = block_of_row(blocks, i, m->row_bytes)->scale;
                    const vec scale = row_scale * v_load_f16(scales + column + j * LANES);
                    total[i][j] = v_fma(v_of_ints(sum[i][j]), scale, total[i][j]);
                }
            block += Q4_BLOCK_BYTES;
            x += ISTHMUS_Q4_BLOCK;
            blocks++;
        }
        UNROLL for (int i = 0; i < rows; i++)
            UNROLL for (int j = 0; j < NR; j++)
                v_store(sums + i * PANEL + column + j * LANES, total[i][j]);
    }
}

INLINE void q4_panel(const struct matmul *m, int64_t t0, int64_t rows_count, int64_t n, float *sums)
{
    const uint8_t *w = m->w + n / PANEL * panel_bytes(ISTHMUS_TYPE_Q4, m->K);
    int64_t t = 0;
    for (; t + Q4_MR <= rows_count; t += Q4_MR)
        q4_macro_kernel(m, m->q + (t0 + t) * m->row_bytes, w, sums + t * PANEL, Q4_MR);
    for (; t < rows_count; t++)
        q4_macro_kernel(m, m->q + (t0 + t) * m->row_bytes, w, sums + t * PANEL, 1);
}

void KERNEL(matmul_quantized)(const void *q, const struct isthmus_matrix *w, const struct isthmus_epilogue *epilogue,
                              int64_t t0, int64_t t1, int64_t n0, int64_t n1)
{
    float sums[MC * PANEL] __attribute__((aligned(LINE_BYTES)));
    const struct matmul matmul = {q, quantized_row_bytes(w->type, w->K), w->data, w->K, w->N, *epilogue};
    for (int64_t n = n0; n < n1; n += PANEL)
        for (int64_t t = t0; t < t1; t += MC) {
            const int64_t rows = t1 - t < MC ? t1 - t : MC;
            if (w->type == ISTHMUS_TYPE_INT8)
                int8_panel(&matmul, t, rows, n, sums);
            else
                q4_panel(&matmul, t, rows, n, sums);
            finish_panel(epilogue, 1, sums, t, rows, n, w->N);
        }
}
