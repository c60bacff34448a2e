/*
 * As much of CUDA C++ as the kernels use, for a C++ compiler: the same .cu files then run on the CPU, one fiber per CUDA
 * thread, one block after another (emulator.cpp). Barriers and warp operations switch fibers, in an order that a seed
 * decides, so that a missing barrier shows as a wrong result under some seed and one that not all threads reach is a
 * failure with a message. Included in place of CUDA's headers; nvcc never sees it.
 */
#ifndef ISTHMUS_CUDA_ON_CPU_H
#define ISTHMUS_CUDA_ON_CPU_H

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __restrict__ __restrict
#define __align__(bytes) alignas(bytes)
/* Blocks run one after another, so that a block's memory may be anybody's next. */
#define __shared__ static

struct dim3 {
    unsigned x = 1, y = 1, z = 1;
};
extern dim3 threadIdx, blockIdx, blockDim, gridDim;

struct alignas(8) uint2 {
    uint32_t x, y;
};
struct alignas(16) uint4 {
    uint32_t x, y, z, w;
};
struct alignas(8) float2 {
    float x, y;
};
struct alignas(16) float4 {
    float x, y, z, w;
};

inline float2 make_float2(float x, float y)
{
    return {x, y};
}

inline float4 make_float4(float x, float y, float z, float w)
{
    return {x, y, z, w};
}

inline uint4 make_uint4(uint32_t x, uint32_t y, uint32_t z, uint32_t w)
{
    return {x, y, z, w};
}

struct __half {
    uint16_t bits;
};
struct __nv_bfloat16 {
    uint16_t bits;
};
float __half2float(__half x);
__half __float2half_rn(float x);
float __bfloat162float(__nv_bfloat16 x);
__nv_bfloat16 __float2bfloat16_rn(float x);

namespace emulated {

/* The words that a lane can give to the others of its warp at once. */
enum { LANE_WORDS = 12 };
struct lanes {
    uint32_t words[32][LANE_WORDS];
};

/* Waits for all threads of the block; `line` is where, and must be the same for all. */
void block_barrier(int line);
/* Waits for the lanes in mask, which is the whole warp, and gives what each of them brought, `words` of them. */
const lanes &exchange(unsigned mask, const void *data, int words, int line);
/* The thread's copies of sixteen bytes to shared memory, made at once or only when they are waited for, as the seed has
 * it; `from` null copies zeros. */
void copy_async(void *to, const void *from);
void end_group();
void copies_done(int pending_groups);
/* The caller's lane. */
int lane();
/* The block's dynamic shared memory. */
unsigned char *dynamic_shared();
/* Fails the launch. */
[[noreturn]] void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

template <class T> T shuffle(unsigned mask, T value, int from, int line)
{
    const lanes &all = exchange(mask, &value, sizeof(T) / 4, line);
    T got;
    std::memcpy(&got, all.words[from & 31], sizeof(T));
    return got;
}

inline unsigned ballot(unsigned mask, bool predicate, int line)
{
    const uint32_t mine = predicate;
    const lanes &all = exchange(mask, &mine, 1, line);
    unsigned votes = 0;
    for (int i = 0; i < 32; i++)
        votes |= all.words[i][0] << i;
    return votes;
}

inline int reduce_add(unsigned mask, int value, int line)
{
    const lanes &all = exchange(mask, &value, 1, line);
    uint32_t sum = 0;
    for (int i = 0; i < 32; i++)
        sum += all.words[i][0];
    return (int)sum;
}

}

#define __syncthreads() emulated::block_barrier(__LINE__)
#define __syncwarp() ((void)emulated::exchange(0xffffffffu, nullptr, 0, __LINE__))
#define __shfl_sync(mask, value, from) emulated::shuffle(mask, value, from, __LINE__)
#define __shfl_xor_sync(mask, value, bits) emulated::shuffle(mask, value, emulated::lane() ^ (bits), __LINE__)
#define __shfl_down_sync(mask, value, by) \
    emulated::shuffle(mask, value, emulated::lane() + (by) < 32 ? emulated::lane() + (by) : emulated::lane(), __LINE__)
#define __shfl_up_sync(mask, value, by) \
    emulated::shuffle(mask, value, emulated::lane() >= (int)(by) ? emulated::lane() - (by) : emulated::lane(), __LINE__)
#define __ballot_sync(mask, predicate) emulated::ballot(mask, predicate, __LINE__)
#define __any_sync(mask, predicate) (emulated::ballot(mask, predicate, __LINE__) != 0)
#define __all_sync(mask, predicate) (emulated::ballot(mask, !(predicate), __LINE__) == 0)

#define __reduce_add_sync(mask, value) emulated::reduce_add(mask, value, __LINE__)

/* Fibers switch at barriers only: what a CUDA device must do atomically needs nothing here. */
template <class T> T atomicAdd(T *to, T value)
{
    const T old = *to;
    *to = old + value;
    return old;
}

template <class T> T atomicMax(T *to, T value)
{
    const T old = *to;
    *to = old < value ? value : old;
    return old;
}

template <class T> T atomicMin(T *to, T value)
{
    const T old = *to;
    *to = value < old ? value : old;
    return old;
}

template <class T> T atomicExch(T *to, T value)
{
    const T old = *to;
    *to = value;
    return old;
}

template <class T> T atomicCAS(T *to, T expected, T value)
{
    const T old = *to;
    if (old == expected)
        *to = value;
    return old;
}

inline void __threadfence() {}

inline int min(int a, int b)
{
    return a < b ? a : b;
}

inline int max(int a, int b)
{
    return a > b ? a : b;
}

inline int64_t min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

inline int __popc(unsigned x)
{
    return __builtin_popcount(x);
}

inline float __expf(float x)
{
    return std::exp(x);
}

inline float rsqrtf(float x)
{
    return 1 / std::sqrt(x);
}

/* Each of these rounds once, and nothing fuses it with another: the emulation is compiled without contraction. */
inline double __dadd_rn(double a, double b)
{
    return a + b;
}

inline double __dmul_rn(double a, double b)
{
    return a * b;
}

template <class To, class From> To emulated_bits(From from)
{
    static_assert(sizeof(To) == sizeof(From), "as many bits");
    To to;
    std::memcpy(&to, &from, sizeof(to));
    return to;
}

inline long long __double_as_longlong(double x)
{
    return emulated_bits<long long>(x);
}

inline double __longlong_as_double(long long x)
{
    return emulated_bits<double>(x);
}

inline int __float_as_int(float x)
{
    return emulated_bits<int>(x);
}

inline float __int_as_float(int x)
{
    return emulated_bits<float>(x);
}

#endif
