/*
 * Sampling as the engine's Sampler, Candidates and Exponentials do it. Where the order of roundings decides what is
 * drawn, it is theirs: float64, and no fused multiply-adds.
 */
#include "select.h"

namespace sampling_steps {

enum { POWERS = 2048, SUMMED = 64 /* weights of a sum that a draw skips as a whole */ };

/* e^((logit - max) / temperature) from powers of two: Exponentials has the reasons. */
__device__ inline double exponential(float logit, double max, double scale, const double *powers)
{
    const double first = 0x1.62e42fefa39efp-1 / POWERS, second = first * first / 2, rounding = 0x1.8p52;
    const double y = fmax(__dmul_rn(__dadd_rn(logit, -max), scale), -1023.0 * POWERS);
    const double rounded = __dadd_rn(y, rounding);
    const uint64_t bits = (uint64_t)__double_as_longlong(rounded);
    const double r = __dadd_rn(y, -__dadd_rn(rounded, -rounding));
    const double power = __longlong_as_double(
        (long long)((uint64_t)__double_as_longlong(powers[bits % POWERS]) + (bits / POWERS << 52)));
    const double rest = __dmul_rn(r, __dadd_rn(first, __dmul_rn(r, second)));
    return __dadd_rn(power, __dmul_rn(power, rest));
}

/* The weights of a row's tokens, with what the block needs to work on them. */
struct row {
    const float *logits;
    double *weights;
    uint64_t *keys; /* the i-th of a thread is at i * SELECT_THREADS + thread */
    int V;
    double *sums; /* shared: of the weights by SUMMED of them */
    double *total; /* shared */

    /* Sets weights to zero where `drop` says so, given id and weight. */
    template <class Drop> __device__ void drop(const Drop &drop) const
    {
        for (int id = threadIdx.x; id < V; id += SELECT_THREADS)
            if (drop(id, weights[id]))
                weights[id] = 0;
        sum();
    }

    /* Sums by four sums side by side, then one after another. */
    __device__ void sum() const
    {
        __syncthreads(); /* the weights are there, and the last total has been read */
        const int blocks = (V + SUMMED - 1) / SUMMED;
        for (int b = threadIdx.x; b < blocks; b += SELECT_THREADS) {
            double four[4] = {0, 0, 0, 0};
            const int to = min((b + 1) * SUMMED, V);
            int i = b * SUMMED;
            for (; i + 3 < to; i += 4)
#pragma unroll
                for (int j = 0; j < 4; j++)
                    four[j] += weights[i + j];
            for (; i < to; i++)
                four[0] += weights[i];
            sums[b] = four[0] + four[1] + (four[2] + four[3]);
        }
        __syncthreads();
        if (threadIdx.x == 0) {
            double all = 0;
            for (int b = 0; b < blocks; b++)
                all += sums[b];
            *total = all;
        }
        __syncthreads();
    }

    __device__ void keep_top_k(int k, uint64_t high, threshold_scratch &scratch, uint64_t *least_keys) const
    {
        const float *const row = logits;
        const int count = V;
        const auto each = [=](auto visit) {
            for (int id = threadIdx.x; id < count; id += SELECT_THREADS)
                visit(key_of(row[id], id), 1);
        };
        const uint64_t bound = threshold(high, k, each, scratch);
        uint64_t last = ~(uint64_t)0;
        each([&](uint64_t key, double) { last = key >= bound && key < last ? key : last; });
        const float threshold = logit_of(reduce_block(last, least(), least_keys));
        drop([=](int id, double) { return row[id] < threshold; });
    }

    __device__ void keep_top_p(double p, uint64_t high, threshold_scratch &scratch) const
    {
        /* All tokens below this weight together cannot exceed what goes: only the others need an order. */
        const double certain = (1 - p) * *total / V * (1 - 1e-9);
        int count = 0;
        for (int id = threadIdx.x; id < V; id += SELECT_THREADS)
            if (weights[id] >= certain && weights[id] > 0)
                keys[count++ * SELECT_THREADS + threadIdx.x] = key_of(logits[id], id);
        const uint64_t *const mine = keys + threadIdx.x;
        const double *const all = weights;
        const uint64_t bound = threshold(high, p * *total, [=](auto visit) {
            for (int i = 0; i < count; i++)
                visit(mine[i * SELECT_THREADS], all[id_of(mine[i * SELECT_THREADS])]);
        }, scratch);
        const float *const row = logits;
        drop([=](int id, double weight) { return weight < certain || key_of(row[id], id) < bound; });
    }

    /* The first token, in ascending order of ids, at which the sum of the weights exceeds u of their total. One thread's
     * work. */
    __device__ int draw(double u) const
    {
        const double target = u * *total;
        const int blocks = (V + SUMMED - 1) / SUMMED;
        double sum = 0;
        int block = 0;
        for (int b = 0; b < blocks; b++)
            if (sums[b] > 0) {
                block = b;
                if (sum + sums[b] > target)
                    break;
                sum += sums[b];
            }
        /* Rounding may put the target at the total or at the block's end: some candidate is drawn nevertheless. */
        int drawn = -1;
        const int end = min((block + 1) * SUMMED, V);
        for (int id = block * SUMMED; id < end && (drawn < 0 || sum <= target); id++)
            if (weights[id] > 0) {
                drawn = id;
                sum += weights[id];
            }
        return drawn;
    }
};

/* SplitMix64 (Steele, Lea and Flood 2014), of which the upper 53 bits are a number in [0, 1). */
__device__ inline double next_double(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

}

__global__ void __launch_bounds__(1024) sample(const float *logits, const double *powers, struct sampling *how,
                                               void *scratch, int32_t *tokens, int32_t V)
{
    using namespace sampling_steps;
    __shared__ threshold_scratch searching;
    __shared__ uint64_t keys[WARP], least_keys[WARP];
    __shared__ int bad[WARP];
    __shared__ double total;
    DYNAMIC_SHARED(double, sums);

    const int64_t t = blockIdx.x;
    logits += t * V;
    const struct sampling s = how[t];
    const int best = largest_logit(logits, V, keys, bad);
    if (best < 0 || s.temperature == 0) {
        if (threadIdx.x == 0)
            tokens[t] = best;
        return;
    }

    uint64_t *const row_keys = reinterpret_cast<uint64_t *>(static_cast<char *>(scratch) + t * SAMPLE_SCRATCH_BYTES(V));
    double *const row_weights = reinterpret_cast<double *>(row_keys + SAMPLE_SCRATCH_BYTES(V) / 16);
    const row r = {logits, row_weights, row_keys, V, sums, &total};
    const double max = logits[best];
    /* Finite for the least temperature too, so that 0 times it is 0. */
    const double scale = fmin(POWERS / 0x1.62e42fefa39efp-1 / s.temperature, 0x1.fffffffffffffp1023);
    for (int id = threadIdx.x; id < V; id += SELECT_THREADS)
        r.weights[id] = exponential(logits[id], max, scale, powers);
    const uint64_t high = key_of(logits[best], best) + 1;
    if (s.top_k > 0 && s.top_k < V)
        r.keep_top_k(s.top_k, high, searching, least_keys);
    else
        r.sum();
    if (s.top_p < 1)
        r.keep_top_p(s.top_p, high, searching);
    if (s.min_p > 0)
        r.drop([=](int, double weight) { return weight < s.min_p; });
    if (threadIdx.x == 0)
        tokens[t] = r.draw(next_double(&how[t].random));
}
