/*
 * Causal attention of a tile of rows on tensor cores, for float16 and bfloat16, after FlashAttention-2 (Dao 2023): each
 * warp has 16 rows, whose queries and running results stay in registers, while the cache's blocks of 64 positions pass
 * through shared memory, the next one under way while one is worked on.
 */
#include <float.h>

#include "cache.h"
#include "mma.h"

namespace prefill {

enum { THREADS = 128, ROWS = ATTENTION_TILE, TILE = CACHE_BLOCK, WARP_ROWS = 16 };

/*
 * Rows [ROWS, D] of elements in shared memory, in chunks of sixteen bytes. Eight rows' chunks of the same number are what
 * load_matrices reads at once: they are swapped within their rows so that they lie in different banks.
 */
template <class E, int D> struct tile {
    enum { CHUNKS = D / 8, CYCLE = CHUNKS % 8 == 0 ? 8 : CHUNKS % 4 == 0 ? 4 : 2 };
    E *elements;

    __device__ E *at(int row, int chunk) const
    {
        return elements + row * D + (chunk ^ (row / (8 / CYCLE) & (CYCLE - 1))) * 8;
    }

    /* Begins to copy rows [0, rows) from memory where they lie `stride` elements apart; zeros for the rest. */
    __device__ void copy(const E *from, int64_t stride, int rows) const
    {
        if constexpr (THREADS % CHUNKS == 0 && THREADS / CHUNKS % 8 == 0) {
            /* A thread keeps its chunk and its place in the swizzle, which repeats every 8 rows: one address serves all. */
            constexpr int STEP = THREADS / CHUNKS;
            const int row = threadIdx.x / CHUNKS, chunk = threadIdx.x % CHUNKS;
            E *const to = at(row, chunk);
            const E *const source = from + row * stride + chunk * 8;
#pragma unroll
            for (int j = 0; j < ROWS / STEP; j++)
                copy_async(to + j * STEP * D, source + j * STEP * stride, row + j * STEP >= rows);
        } else {
            for (int i = threadIdx.x; i < ROWS * CHUNKS; i += THREADS) {
                const int row = i / CHUNKS, chunk = i % CHUNKS;
                copy_async(at(row, chunk), row < rows ? from + row * stride + chunk * 8 : from, row >= rows);
            }
        }
    }
};

/* Online softmax (Milakov and Gimelshein 2018) of a thread's two rows of a warp's 16, g and g + 8: the running maximum of
 * the unscaled scores, the running sum, and the output's channels as in fragments C. */
template <int D> struct rows {
    float maximum[2], sum[2], out[D / 8][4];
};

/* scores [16, 64] of a warp: queries by keys, not yet scaled. */
template <class E, int D>
__device__ void multiply_keys(float (&scores)[TILE / 8][4], const uint32_t (&q)[D / 16][4], const tile<E, D> &keys)
{
    const int lane = threadIdx.x % WARP, row = lane / 16 * 8 + lane % 8, half = lane / 8 % 2;
#pragma unroll
    for (int n = 0; n < TILE / 8; n += 2) {
        for (int j = 0; j < 4; j++)
            scores[n][j] = scores[n + 1][j] = 0;
#pragma unroll
        for (int k = 0; k < D / 16; k++) {
            uint32_t b[4];
            load_matrices<false>(b, keys.at(n * 8 + row, 2 * k + half));
            multiply_add<E>(scores[n], q[k], b[0], b[1]);
            multiply_add<E>(scores[n + 1], q[k], b[2], b[3]);
        }
    }
}

/* Turns scores into 2^(scale * (score - maximum)) and rescales the rows to their new maxima. With `masked`, the weights
 * from column `seen` of each row on are zero; without, the row sees all columns. scale > 0. */
template <bool masked, int D>
__device__ void weigh(float (&scores)[TILE / 8][4], rows<D> &r, float scale, const int (&seen)[2])
{
    const int column = threadIdx.x % 4 * 2;
#pragma unroll
    for (int i = 0; i < 2; i++) {
        float maximum = r.maximum[i];
#pragma unroll
        for (int n = 0; n < TILE / 8; n++)
            for (int j = 0; j < 2; j++) {
                float &score = scores[n][2 * i + j];
                if (masked)
                    score = n * 8 + column + j < seen[i] ? score : -INFINITY;
                maximum = fmaxf(maximum, score);
            }
        maximum = fmaxf(maximum, __shfl_xor_sync(ALL_LANES, maximum, 1));
        maximum = fmaxf(maximum, __shfl_xor_sync(ALL_LANES, maximum, 2));
        /* While every score is -inf, -inf - -inf would be NaN. */
        const float shift = maximum == -INFINITY ? 0 : maximum * scale;
        const float decay = power_of_two(r.maximum[i] * scale - shift);
        r.maximum[i] = maximum;
        r.sum[i] *= decay;
#pragma unroll
        for (int n = 0; n < TILE / 8; n++)
            for (int j = 0; j < 2; j++) {
                float &score = scores[n][2 * i + j];
                score = power_of_two(fmaf(score, scale, -shift));
                r.sum[i] += score; /* of this lane's columns; the row's four lanes add up at the end */
            }
#pragma unroll
        for (int n = 0; n < D / 8; n++)
            for (int j = 0; j < 2; j++)
                r.out[n][2 * i + j] *= decay;
    }
}

template <class E, int D>
__device__ void multiply_values(rows<D> &r, const float (&weights)[TILE / 8][4], const tile<E, D> &values)
{
    const int lane = threadIdx.x % WARP, row = lane % 16, half = lane / 16;
#pragma unroll
    for (int k = 0; k < TILE / 16; k++) {
        const float(&left)[4] = weights[2 * k], (&right)[4] = weights[2 * k + 1];
        const uint32_t a[4] = {pack<E>(left[0], left[1]), pack<E>(left[2], left[3]), pack<E>(right[0], right[1]),
                               pack<E>(right[2], right[3])};
#pragma unroll
        for (int n = 0; n < D / 8; n += 2) {
            uint32_t b[4];
            load_matrices<true>(b, values.at(k * 16 + row, n + half));
            multiply_add<E>(r.out[n], a, b[0], b[1]);
            multiply_add<E>(r.out[n + 1], a, b[2], b[3]);
        }
    }
}

template <class E, int D>
__device__ void attend(const E *q, E *out, const int32_t *tiles, const int32_t *positions,
                       const int32_t *sequences, const uint64_t *blocks, const int64_t *block_start,
                       int64_t layer_offset, int H, float scale)
{
    DYNAMIC_SHARED(E, shared);
    const tile<E, D> queries = {shared};
    const auto keys = [&](int b) { return tile<E, D>{shared + (1 + b % 2) * ROWS * D}; };
    const auto values = [&](int b) { return tile<E, D>{shared + (3 + b % 2) * ROWS * D}; };

    const int64_t first = tiles[2 * blockIdx.y];
    const int count = tiles[2 * blockIdx.y + 1], h = blockIdx.x, C = H * D;
    const int start = positions[first], past = start + count; /* positions that the last row sees */
    const uint64_t *table = blocks + block_start[sequences[first]];
    const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, g = lane / 4;

    const auto copy_block = [&](int b) {
        const E *block = cached_layer<E>(table, b, layer_offset) + (int64_t)h * TILE * D;
        keys(b).copy(block, D, past - b * TILE);
        values(b).copy(block + (int64_t)H * TILE * D, D, past - b * TILE);
    };
    queries.copy(q + first * C + h * D, C, count);
    copy_block(0);
    end_group();

    /* log2 e included. A scale of 0 becomes one that no score outweighs, for -inf times 0 would be NaN. */
    const float positive_scale = fmaxf(scale * 1.44269504f, FLT_MIN);
    uint32_t q_fragments[D / 16][4];
    rows<D> r = {{-INFINITY, -INFINITY}, {0, 0}, {}};
    for (int b = 0; b * TILE < past; b++) {
        if ((b + 1) * TILE < past)
            copy_block(b + 1);
        end_group();
        copies_done<1>();
        __syncthreads();
        if (b == 0)
#pragma unroll
            for (int k = 0; k < D / 16; k++)
                load_matrices<false>(q_fragments[k], queries.at(warp * WARP_ROWS + lane % 16, 2 * k + lane / 16));

        float scores[TILE / 8][4];
        const int last = start + warp * WARP_ROWS + g - b * TILE; /* the last column that row g sees */
        const int seen[2] = {last + 1, last + 9};
        multiply_keys<E, D>(scores, q_fragments, keys(b));
        if ((b + 1) * TILE > start + 1) /* the first row sees positions [0, start], the others more */
            weigh<true>(scores, r, positive_scale, seen);
        else
            weigh<false>(scores, r, positive_scale, seen);
        multiply_values<E, D>(r, scores, values(b));
        __syncthreads(); /* all are done with these keys and values, which the copies after next overwrite */
    }

    /* A warp's results go by way of its own queries' place, to be written in whole lines. */
#pragma unroll
    for (int i = 0; i < 2; i++) {
        r.sum[i] += __shfl_xor_sync(ALL_LANES, r.sum[i], 1);
        r.sum[i] += __shfl_xor_sync(ALL_LANES, r.sum[i], 2);
        const float inverse = 1 / r.sum[i];
#pragma unroll
        for (int n = 0; n < D / 8; n++)
            *reinterpret_cast<uint32_t *>(queries.at(warp * WARP_ROWS + g + 8 * i, n) + lane % 4 * 2)
                = pack<E>(r.out[n][2 * i] * inverse, r.out[n][2 * i + 1] * inverse);
    }
    __syncwarp();
    for (int i = lane; i < WARP_ROWS * D / 8; i += WARP) {
        const int row = warp * WARP_ROWS + i / (D / 8), chunk = i % (D / 8);
        if (row < count)
            *reinterpret_cast<uint4 *>(out + (first + row) * C + h * D + chunk * 8)
                = *reinterpret_cast<const uint4 *>(queries.at(row, chunk));
    }
}

}

#define DEFINE_PREFILL(E, name, D)                                                                                      \
    __global__ void __launch_bounds__(prefill::THREADS) attention_prefill_##name##_##D(                                 \
        const E *q, E *out, const int32_t *tiles, const int32_t *positions, const int32_t *sequences,                   \
        const uint64_t *blocks, const int64_t *block_start, int64_t layer_offset, int32_t H, float scale)               \
    {                                                                                                                   \
        prefill::attend<E, D>(q, out, tiles, positions, sequences, blocks, block_start, layer_offset, H, scale);        \
    }
HEAD_SIZES(DEFINE_PREFILL, __half, f16)
HEAD_SIZES(DEFINE_PREFILL, __nv_bfloat16, bf16)
