/*
 * Causal attention of a tile of rows in float32, in one pass with a running maximum and sum. 16 x 16 threads share a tile
 * of 64 rows and 64 positions: a thread has rows 4y..4y + 3 and of the positions and channels every sixteenth, from x on.
 */
#include "cache.h"

namespace prefill_f32 {

enum { THREADS = 256, SIDE = 16, ROWS = ATTENTION_TILE, TILE = CACHE_BLOCK, EACH = ROWS / SIDE };
enum { WEIGHTS = TILE + 4 }; /* the distance of two rows of weights; like D + 4, it spreads rows over the banks */

/* Copies rows [0, rows) of D floats, `stride` apart, to shared memory; zeros for the rest. */
template <int D> __device__ void copy_rows(float *to, const float *from, int64_t stride, int rows)
{
    for (int i = threadIdx.x; i < ROWS * D / 4; i += THREADS) {
        const int row = i / (D / 4), d = i % (D / 4) * 4;
        *reinterpret_cast<float4 *>(to + row * (D + 4) + d)
            = row < rows ? *reinterpret_cast<const float4 *>(from + row * stride + d) : make_float4(0, 0, 0, 0);
    }
}

/* The 16 threads with the same rows are half a warp. */
template <class Combine> __device__ float reduce_side(float value, Combine combine)
{
    for (int bits = SIDE / 2; bits > 0; bits /= 2)
        value = combine(value, __shfl_xor_sync(ALL_LANES, value, bits));
    return value;
}

template <int D>
__device__ void attend(const float *q, float *out, const int32_t *tiles, const int32_t *positions,
                       const int32_t *sequences, const uint64_t *blocks, const int64_t *block_start,
                       int64_t layer_offset, int H, float scale)
{
    DYNAMIC_SHARED(float, queries);
    float *const tile = queries + ROWS * (D + 4), *const weights = tile + TILE * (D + 4);

    const int64_t first = tiles[2 * blockIdx.y];
    const int count = tiles[2 * blockIdx.y + 1], h = blockIdx.x, C = H * D;
    const int start = positions[first], past = start + count;
    const uint64_t *table = blocks + block_start[sequences[first]];
    const int x = threadIdx.x % SIDE, y = threadIdx.x / SIDE;

    copy_rows<D>(queries, q + first * C + h * D, C, count);
    float maxima[EACH], sums[EACH], results[EACH][D / SIDE];
    for (int i = 0; i < EACH; i++) {
        maxima[i] = -INFINITY;
        sums[i] = 0;
        for (int j = 0; j < D / SIDE; j++)
            results[i][j] = 0;
    }

    for (int p0 = 0; p0 < past; p0 += TILE) {
        const float *block = cached_layer<float>(table, p0 / TILE, layer_offset) + (int64_t)h * TILE * D;
        copy_rows<D>(tile, block, D, past - p0);
        __syncthreads();
        float scores[EACH][TILE / SIDE] = {};
        for (int d = 0; d < D; d += 4) {
            float4 key[TILE / SIDE];
#pragma unroll
            for (int j = 0; j < TILE / SIDE; j++)
                key[j] = *reinterpret_cast<const float4 *>(tile + (x + SIDE * j) * (D + 4) + d);
#pragma unroll
            for (int i = 0; i < EACH; i++) {
                const float4 query = *reinterpret_cast<const float4 *>(queries + (EACH * y + i) * (D + 4) + d);
#pragma unroll
                for (int j = 0; j < TILE / SIDE; j++)
                    scores[i][j] += query.x * key[j].x + query.y * key[j].y + query.z * key[j].z + query.w * key[j].w;
            }
        }
        __syncthreads(); /* all are done with the keys */
        copy_rows<D>(tile, block + (int64_t)H * TILE * D, D, past - p0);

#pragma unroll
        for (int i = 0; i < EACH; i++) {
            const int seen = start + EACH * y + i + 1 - p0;
            float maximum = maxima[i];
#pragma unroll
            for (int j = 0; j < TILE / SIDE; j++) {
                scores[i][j] = x + SIDE * j < seen ? scores[i][j] * scale : -INFINITY;
                maximum = fmaxf(maximum, scores[i][j]);
            }
            maximum = reduce_side(maximum, greatest());
            /* While every score is -inf, -inf - -inf would be NaN. */
            const float shift = maximum == -INFINITY ? 0 : maximum, decay = expf(maxima[i] - shift);
            maxima[i] = maximum;
            sums[i] *= decay;
#pragma unroll
            for (int j = 0; j < TILE / SIDE; j++) {
                const float weight = expf(scores[i][j] - shift);
                sums[i] += weight;
                weights[(EACH * y + i) * WEIGHTS + x + SIDE * j] = weight;
            }
#pragma unroll
            for (int j = 0; j < D / SIDE; j++)
                results[i][j] *= decay;
        }
        __syncthreads(); /* the values and weights are there */
        const int depth = min(TILE, past - p0);
        for (int p = 0; p < depth; p++) {
            float value[D / SIDE];
#pragma unroll
            for (int j = 0; j < D / SIDE; j++)
                value[j] = tile[p * (D + 4) + x + SIDE * j];
#pragma unroll
            for (int i = 0; i < EACH; i++) {
                const float weight = weights[(EACH * y + i) * WEIGHTS + p];
#pragma unroll
                for (int j = 0; j < D / SIDE; j++)
                    results[i][j] += weight * value[j];
            }
        }
        __syncthreads(); /* all are done with them */
    }

    for (int i = 0; i < EACH; i++) {
        const int row = EACH * y + i;
        const float inverse = 1 / reduce_side(sums[i], add());
        for (int j = 0; j < D / SIDE; j++)
            if (row < count)
                out[(first + row) * C + h * D + x + SIDE * j] = results[i][j] * inverse;
    }
}

}

#define DEFINE_PREFILL_F32(E, name, D)                                                                                  \
    __global__ void __launch_bounds__(prefill_f32::THREADS) attention_prefill_##name##_##D(                             \
        const E *q, E *out, const int32_t *tiles, const int32_t *positions, const int32_t *sequences,                   \
        const uint64_t *blocks, const int64_t *block_start, int64_t layer_offset, int32_t H, float scale)               \
    {                                                                                                                   \
        prefill_f32::attend<D>(q, out, tiles, positions, sequences, blocks, block_start, layer_offset, H, scale);       \
    }
HEAD_SIZES(DEFINE_PREFILL_F32, float, f32)
