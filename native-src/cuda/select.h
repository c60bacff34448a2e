/* Finding the largest logits of a row with one block. */
#ifndef ISTHMUS_CUDA_SELECT_H
#define ISTHMUS_CUDA_SELECT_H

#include "elements.h"

enum { SELECT_THREADS = 1024 };

/* A key orders by the logit, then by the lower id; 0 and -0 are the same logit. No key is 0, or 2^64 - 1. */
__device__ inline uint64_t key_of(float logit, int id)
{
    const int bits = __float_as_int(logit + 0.0f);
    const uint32_t ordered = (uint32_t)(bits < 0 ? ~bits : bits ^ INT32_MIN);
    return (uint64_t)ordered << 32 | (uint32_t)(INT32_MAX - id);
}

__device__ inline int id_of(uint64_t key)
{
    return INT32_MAX - (int)(uint32_t)key;
}

__device__ inline float logit_of(uint64_t key)
{
    const uint32_t ordered = (uint32_t)(key >> 32);
    return __int_as_float(ordered >> 31 ? (int)ordered ^ INT32_MIN : ~(int)ordered);
}

struct least {
    template <class N> __device__ N operator()(N a, N b) const
    {
        return a < b ? a : b;
    }
};

/* The largest of a row's V logits: its id, or what kernels.h has instead where a logit is NaN or +infinity or none is
 * finite. Every thread of the block must call it and gets the same; `keys` and `bad` are shared memory. */
__device__ inline int largest_logit(const float *logits, int V, uint64_t *keys, int *bad)
{
    uint64_t best = 0;
    int first_bad = INT32_MAX;
    for (int id = threadIdx.x; id < V; id += SELECT_THREADS) {
        const float logit = logits[id];
        if (!(logit < INFINITY)) /* NaN too */
            first_bad = min(first_bad, id);
        else
            best = greatest()(key_of(logit, id), best);
    }
    best = reduce_block(best, greatest(), keys);
    first_bad = reduce_block(first_bad, least(), bad);
    if (first_bad < INT32_MAX)
        return -1 - first_bad;
    return logit_of(best) == -INFINITY ? NO_FINITE_LOGIT : id_of(best);
}

/* Shared memory that `threshold` works in. */
struct threshold_scratch {
    double measures[3][WARP];
    int counts[3][WARP];
};

/*
 * A bound such that the keys from it on are the fewest largest ones that measure at least `enough` together; 0, for all,
 * where all together do not. `each(visit)` calls visit(key, measure) for the calling thread's share of the keys, which
 * are different ones and below `high`. Every thread of the block must call it and gets the same.
 *
 * The range of bounds is quartered until only one key lies in it.
 */
template <class Each>
__device__ uint64_t threshold(uint64_t high, double enough, const Each &each, threshold_scratch &scratch)
{
    uint64_t low = 0;
    int from_low = INT32_MAX, from_high = 0; /* keys from there on */
    while (high - low > 1 && from_low - from_high > 1) {
        const uint64_t step = (high - low) / 4 + 1;
        double measures[3] = {0, 0, 0};
        int counts[3] = {0, 0, 0};
        each([&](uint64_t key, double measure) {
#pragma unroll
            for (int i = 0; i < 3; i++)
                if (key >= low && key - low >= step * (i + 1)) {
                    measures[i] += measure;
                    counts[i]++;
                }
        });
        const int warp = threadIdx.x / WARP;
#pragma unroll
        for (int i = 0; i < 3; i++) {
            measures[i] = reduce_warp(measures[i], add());
            counts[i] = __reduce_add_sync(ALL_LANES, counts[i]);
            if (threadIdx.x % WARP == 0)
                scratch.measures[i][warp] = measures[i], scratch.counts[i][warp] = counts[i];
        }
        __syncthreads();
        uint64_t new_low = low, new_high = high;
#pragma unroll
        for (int i = 0; i < 3; i++) {
            const uint64_t bound = low + step * (i + 1);
            double measure = 0;
            int count = 0;
            for (int w = 0; w < WARP; w++)
                measure += scratch.measures[i][w], count += scratch.counts[i][w];
            if (measure >= enough)
                new_low = bound, from_low = count;
            else if (bound < new_high)
                new_high = bound, from_high = count;
        }
        __syncthreads(); /* all have read the scratch */
        low = new_low;
        high = new_high;
    }
    return low;
}

#endif
