/* What the other tests stand on: that the emulation notices mistakes, and that half precision rounds as a GPU does. */
#include "harness.h"

static void divergent_barrier(int *)
{
    if (threadIdx.x < 32)
        __syncthreads();
}

static void different_barriers(int *)
{
    if (threadIdx.x < 32)
        __syncthreads();
    else
        __syncthreads();
}

static void half_a_warp(int *sums)
{
    if (threadIdx.x < 16)
        sums[threadIdx.x] = __shfl_xor_sync(ALL_LANES, (int)threadIdx.x, 1);
}

/* Each thread hands its number to the next through shared memory, with the barrier that it takes or without. */
template <bool barrier> void neighbours(int *out)
{
    DYNAMIC_SHARED(int, numbers);
    numbers[threadIdx.x] = threadIdx.x;
    if (barrier)
        __syncthreads();
    out[threadIdx.x] = numbers[(threadIdx.x + 1) % blockDim.x];
}

static void shuffles(int *out)
{
    const int lane = threadIdx.x % WARP;
    const double wide = __shfl_sync(ALL_LANES, lane + 0.5, 7);
    const unsigned votes = __ballot_sync(ALL_LANES, lane % 3 == 0);
    out[threadIdx.x] = wide == 7.5 && votes == 0x49249249u && __shfl_xor_sync(ALL_LANES, lane, 5) == (lane ^ 5)
        && __shfl_down_sync(ALL_LANES, lane, 4) == (lane < 28 ? lane + 4 : lane)
        && __shfl_up_sync(ALL_LANES, lane, 4) == (lane < 4 ? lane : lane - 4)
        && __any_sync(ALL_LANES, lane == 3) && !__all_sync(ALL_LANES, lane == 3);
}

static std::string failure_of(void (*kernel)(int *), const buffer<int> &out)
{
    return launch(kernel, {1}, {64}, 64 * sizeof(int), std::tuple<int *>(out.get()), std::index_sequence<0>());
}

static int right(const buffer<int> &out, int by)
{
    int count = 0;
    for (int i = 0; i < 64; i++)
        count += out[i] == (by == 0 ? 1 : (i + by) % 64);
    return count;
}

static void halves()
{
    for (uint32_t bits = 0; bits < 0x10000; bits++) {
        const __half h = {(uint16_t)bits};
        const float f = __half2float(h);
        if ((bits & 0x7fffu) <= 0x7c00u)
            check(__float2half_rn(f).bits == bits, "float16 %04x is %g, which becomes %04x", bits, (double)f,
                  __float2half_rn(f).bits);
    }
    /* Ties go to even, what is nearer than half a step goes there, and 65520 is infinity. */
    struct { float from; uint16_t half, bfloat; } cases[] = {
        {1 + 0x1p-11f, 0x3c00, 0x3f80}, {1 + 3 * 0x1p-11f, 0x3c02, 0x3f80}, {1 + 0x1p-8f, 0x3c04, 0x3f80},
        {1 + 3 * 0x1p-8f, 0x3c0c, 0x3f82}, {65519.0f, 0x7bff, 0x4780}, {65520.0f, 0x7c00, 0x4780},
        {0x1p-25f, 0x0000, 0x3300}, {0x1.8p-25f, 0x0001, 0x3340}, {-0x1.8p-24f, 0x8002, 0xb3c0},
        {-0.0f, 0x8000, 0x8000}, {INFINITY, 0x7c00, 0x7f80}, {3.4e38f, 0x7c00, 0x7f80}, {NAN, 0x7fff, 0x7fff}};
    for (const auto &c : cases)
        check(__float2half_rn(c.from).bits == c.half && __float2bfloat16_rn(c.from).bits == c.bfloat,
              "%g becomes %04x and %04x", (double)c.from, __float2half_rn(c.from).bits,
              __float2bfloat16_rn(c.from).bits);
}

void test_emulator()
{
    const buffer<int> out(64);
    check(failure_of(divergent_barrier, out).find("have ended") != std::string::npos, "a barrier that some never reach");
    check(failure_of(different_barriers, out).find("barrier in line") != std::string::npos, "two barriers at once");
    check(failure_of(half_a_warp, out).find("warp operation") != std::string::npos, "a shuffle of half a warp");
    check(failure_of(shuffles, out).empty() && right(out, 0) == 64, "shuffles and votes: %d of 64", right(out, 0));
    int misses = 0;
    for (int i = 0; i < 10; i++) {
        check(failure_of(neighbours<true>, out).empty() && right(out, 1) == 64, "with the barrier: %d", right(out, 1));
        check(failure_of(neighbours<false>, out).empty(), "without");
        misses += right(out, 1) < 64;
    }
    check(misses == 10, "a missing barrier shows in %d of 10 orders", misses);
    check(out.guards_hold(), "guards");
    halves();
}
