#include "select.h"

__global__ void __launch_bounds__(1024) argmax(const float *logits, int32_t *ids, int32_t V)
{
    __shared__ uint64_t keys[WARP];
    __shared__ int bad[WARP];
    const int id = largest_logit(logits + (int64_t)blockIdx.x * V, V, keys, bad);
    if (threadIdx.x == 0)
        ids[blockIdx.x] = id;
}

__global__ void __launch_bounds__(1024) top_k(const float *logits, float *values, int32_t *ids, int32_t V, int32_t k)
{
    __shared__ threshold_scratch scratch;
    __shared__ uint64_t sorted[SELECT_THREADS];
    __shared__ int found;
    const float *row = logits + (int64_t)blockIdx.x * V;
    const int thread = threadIdx.x;

    const uint64_t bound = threshold(~(uint64_t)0, k, [=](auto visit) {
        for (int id = threadIdx.x; id < V; id += SELECT_THREADS)
            visit(key_of(row[id], id), 1);
    }, scratch);
    sorted[thread] = 0;
    if (thread == 0)
        found = 0;
    __syncthreads();
    for (int id = thread; id < V; id += SELECT_THREADS) {
        const uint64_t key = key_of(row[id], id);
        if (key >= bound)
            sorted[atomicAdd(&found, 1)] = key;
    }
    __syncthreads();

    /* A bitonic sort (Batcher 1968), the largest first: runs of `size` in turns falling and rising are merged. */
    for (int size = 2; size <= SELECT_THREADS; size *= 2)
        for (int distance = size / 2; distance > 0; distance /= 2) {
            const int other = thread ^ distance;
            if (other > thread) {
                const uint64_t a = sorted[thread], b = sorted[other];
                if (((thread & size) == 0) == (a < b))
                    sorted[thread] = b, sorted[other] = a;
            }
            __syncthreads();
        }
    if (thread < k) {
        const int id = id_of(sorted[thread]);
        values[(int64_t)blockIdx.x * k + thread] = row[id];
        ids[(int64_t)blockIdx.x * k + thread] = id;
    }
}
