/*
 * Attention of single rows, split over the cached positions (Dao et al. 2023, "Flash-Decoding for long-context
 * inference"), each part in one pass with a running maximum and sum (Milakov and Gimelshein 2018).
 *
 * A key or value is read by a group of lanes, sixteen bytes each at a time. Every group takes positions of its own and
 * keeps its own maximum, sum and weighted values, so that groups meet only once, at the end.
 */
#include "cache.h"

namespace decode {

enum { THREADS = 128, WARPS = THREADS / WARP };

/* What a group has come to: the largest score, the sum of 2^(score - maximum), and of these times the values. */
template <int N> struct running {
    float maximum, sum, values[N];

    __device__ void scale_to(float larger)
    {
        /* While every score is -inf, -inf - -inf would be NaN. */
        const float decay = exp2f(maximum - (larger == -INFINITY ? 0 : larger));
        sum *= decay;
        for (int i = 0; i < N; i++)
            values[i] *= decay;
        maximum = larger;
    }
};

template <class E, int D>
__device__ void attend(const E *q, float *partial, E *out, const int32_t *positions, const int32_t *sequences,
                       const uint64_t *blocks, const int64_t *block_start, int64_t layer_offset, int H, float scale)
{
    /* As many lanes to a group as divide a head's vectors of sixteen bytes evenly, a power of two. */
    constexpr int SIZE = vector<E>::SIZE, LANES = D / SIZE % 8 == 0 ? 8 : D / SIZE % 4 == 0 ? 4 : 2;
    constexpr int VECTORS = D / SIZE / LANES, GROUPS = THREADS / LANES;
    constexpr int N = VECTORS * SIZE; /* channels that a lane holds: those of vectors lane, lane + LANES, ... */
    /* Positions whose loads a lane has under way at once, by the registers that they take. */
    constexpr int AT_ONCE = VECTORS == 1 ? 4 : VECTORS == 2 ? 2 : 1;
    __shared__ float maxima[WARPS], sums[WARPS], values[WARPS][D];

    const int split = blockIdx.x, splits = gridDim.x, h = blockIdx.y, thread = threadIdx.x;
    const int64_t t = blockIdx.z;
    const int lane = thread % LANES, group = thread / LANES;
    const int past = positions[t] + 1, count = (past + CACHE_BLOCK - 1) / CACHE_BLOCK;
    const int begin = (int)((int64_t)count * split / splits) * CACHE_BLOCK;
    const int end = min((int)((int64_t)count * (split + 1) / splits) * CACHE_BLOCK, past);
    const uint64_t *table = blocks + block_start[sequences[t]];

    float query[N];
    for (int v = 0; v < VECTORS; v++) {
        const vector<E> part = load(q + (t * H + h) * D + (v * LANES + lane) * SIZE);
        for (int i = 0; i < SIZE; i++)
            query[v * SIZE + i] = to_float(part.of[i]) * scale * 1.44269504f; /* log2 e */
    }

    running<N> r;
    r.maximum = -INFINITY;
    r.sum = 0;
    for (int i = 0; i < N; i++)
        r.values[i] = 0;

    /* All lanes of a warp go round as often, for the sake of the shuffles; loads of no position are left out. */
    for (int p0 = begin; p0 < end; p0 += AT_ONCE * GROUPS) {
        vector<E> keys[AT_ONCE][VECTORS], rows[AT_ONCE][VECTORS];
#pragma unroll
        for (int u = 0; u < AT_ONCE; u++) {
            const int p = p0 + u * GROUPS + group;
            if (p < end) {
                const E *key = cached_layer<E>(table, p / CACHE_BLOCK, layer_offset)
                    + ((int64_t)h * CACHE_BLOCK + p % CACHE_BLOCK) * D;
                const E *row = key + (int64_t)H * CACHE_BLOCK * D;
#pragma unroll
                for (int v = 0; v < VECTORS; v++) {
                    keys[u][v] = load(key + (v * LANES + lane) * SIZE);
                    rows[u][v] = load(row + (v * LANES + lane) * SIZE);
                }
            }
        }
        float scores[AT_ONCE], largest = r.maximum;
#pragma unroll
        for (int u = 0; u < AT_ONCE; u++) {
            const bool seen = p0 + u * GROUPS + group < end;
            float score = 0;
            if (seen)
#pragma unroll
                for (int v = 0; v < VECTORS; v++)
#pragma unroll
                    for (int i = 0; i < SIZE; i++)
                        score += query[v * SIZE + i] * to_float(keys[u][v].of[i]);
            for (int bits = LANES / 2; bits > 0; bits /= 2)
                score += __shfl_xor_sync(ALL_LANES, score, bits);
            scores[u] = seen ? score : -INFINITY;
            largest = fmaxf(largest, scores[u]);
        }
        r.scale_to(largest);
#pragma unroll
        for (int u = 0; u < AT_ONCE; u++)
            if (p0 + u * GROUPS + group < end) {
                const float weight = exp2f(scores[u] - (largest == -INFINITY ? 0 : largest));
                r.sum += weight;
#pragma unroll
                for (int v = 0; v < VECTORS; v++)
#pragma unroll
                    for (int i = 0; i < SIZE; i++)
                        r.values[v * SIZE + i] += weight * to_float(rows[u][v].of[i]);
            }
    }

    /* The groups of a warp, then the warps. */
    const float warp_maximum = reduce_warp(r.maximum, greatest());
    r.scale_to(warp_maximum);
    for (int bits = LANES; bits < WARP; bits *= 2) {
        r.sum += __shfl_xor_sync(ALL_LANES, r.sum, bits);
        for (int i = 0; i < N; i++)
            r.values[i] += __shfl_xor_sync(ALL_LANES, r.values[i], bits);
    }
    if (thread % WARP < LANES) {
        const int warp = thread / WARP;
        if (lane == 0)
            maxima[warp] = r.maximum, sums[warp] = r.sum;
        for (int v = 0; v < VECTORS; v++)
            for (int i = 0; i < SIZE; i++)
                values[warp][(v * LANES + lane) * SIZE + i] = r.values[v * SIZE + i];
    }
    __syncthreads();

    float maximum = maxima[0], sum = 0, decays[WARPS];
    for (int w = 1; w < WARPS; w++)
        maximum = greatest()(maxima[w], maximum);
    for (int w = 0; w < WARPS; w++) {
        decays[w] = exp2f(maxima[w] - (maximum == -INFINITY ? 0 : maximum));
        sum += sums[w] * decays[w];
    }
    const float inverse = 1 / sum;
    partial += ((t * H + h) * splits + split) * (D + 2);
    for (int d = thread; d < D; d += THREADS) {
        float value = 0;
        for (int w = 0; w < WARPS; w++)
            value += values[w][d] * decays[w];
        if (splits == 1)
            out[(t * H + h) * D + d] = of_float<E>(value * inverse);
        else
            partial[d] = value;
    }
    if (splits > 1 && thread == 0)
        partial[D] = maximum, partial[D + 1] = sum;
}

template <class E> __device__ void combine(const float *partial, E *out, int H, int D, int splits)
{
    __shared__ float weights[ATTENTION_MOST_SPLITS], inverse;
    const int64_t row = (int64_t)blockIdx.x * H + blockIdx.y;
    const int thread = threadIdx.x;
    partial += row * splits * (D + 2);
    if (thread < WARP) {
        float maximum = -INFINITY, sum = 0;
        for (int s = thread; s < splits; s += WARP)
            maximum = greatest()(partial[s * (D + 2) + D], maximum);
        maximum = reduce_warp(maximum, greatest());
        for (int s = thread; s < splits; s += WARP) {
            weights[s] = exp2f(partial[s * (D + 2) + D] - (maximum == -INFINITY ? 0 : maximum));
            sum += partial[s * (D + 2) + D + 1] * weights[s];
        }
        sum = reduce_warp(sum, add());
        if (thread == 0)
            inverse = 1 / sum;
    }
    __syncthreads();
    for (int d = thread; d < D; d += blockDim.x) {
        float value = 0;
        for (int s = 0; s < splits; s++)
            value += partial[s * (D + 2) + d] * weights[s];
        out[row * D + d] = of_float<E>(value * inverse);
    }
}

}

#define DEFINE_DECODE(E, name, D)                                                                                       \
    __global__ void __launch_bounds__(decode::THREADS) attention_decode_##name##_##D(                                   \
        const E *q, float *partial, E *out, const int32_t *positions, const int32_t *sequences, const uint64_t *blocks, \
        const int64_t *block_start, int64_t layer_offset, int32_t H, float scale)                                       \
    {                                                                                                                   \
        decode::attend<E, D>(q, partial, out, positions, sequences, blocks, block_start, layer_offset, H, scale);       \
    }
#define DEFINE_COMBINE(E, name)                                                                                         \
    HEAD_SIZES(DEFINE_DECODE, E, name)                                                                                  \
    __global__ void __launch_bounds__(128)                                                                              \
        attention_combine_##name(const float *partial, E *out, int32_t H, int32_t D, int32_t splits)                    \
    {                                                                                                                   \
        decode::combine(partial, out, H, D, splits);                                                                    \
    }
FOR_ELEMENTS(DEFINE_COMBINE)
