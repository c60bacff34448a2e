/* What the kernels share: elements of any type as floats, dynamic shared memory, and reductions over a block. */
#ifndef ISTHMUS_CUDA_ELEMENTS_H
#define ISTHMUS_CUDA_ELEMENTS_H

#include <math.h>

#include "kernels.h"

/* `name` is the block's dynamic shared memory, aligned to 16 bytes, as elements of a type. */
#ifdef __CUDACC__
#define DYNAMIC_SHARED(type, name)                             \
    extern __shared__ __align__(16) unsigned char shared_bytes[]; \
    type *const name = reinterpret_cast<type *>(shared_bytes)
#else
#define DYNAMIC_SHARED(type, name) type *const name = reinterpret_cast<type *>(emulated::dynamic_shared())
#endif

#define WARP 32
#define ALL_LANES 0xffffffffu

__device__ inline float to_float(float x)
{
    return x;
}

__device__ inline float to_float(__half x)
{
    return __half2float(x);
}

__device__ inline float to_float(__nv_bfloat16 x)
{
    return __bfloat162float(x);
}

template <class E> __device__ inline E of_float(float x);

template <> __device__ inline float of_float<float>(float x)
{
    return x;
}

template <> __device__ inline __half of_float<__half>(float x)
{
    return __float2half_rn(x);
}

template <> __device__ inline __nv_bfloat16 of_float<__nv_bfloat16>(float x)
{
    return __float2bfloat16_rn(x);
}

/* Sixteen bytes of elements, as they are read and written in one access. */
template <class E> struct __align__(16) vector {
    enum { SIZE = 16 / sizeof(E) };
    E of[SIZE];
};

template <class E> __device__ inline vector<E> load(const E *aligned)
{
    const uint4 bits = *reinterpret_cast<const uint4 *>(aligned);
    return *reinterpret_cast<const vector<E> *>(&bits);
}

struct add {
    template <class N> __device__ N operator()(N a, N b) const
    {
        return a + b;
    }
};

struct greatest {
    /* NaN wins. */
    template <class N> __device__ N operator()(N a, N b) const
    {
        return a > b || a != a ? a : b;
    }
};

/* What `combine` makes of the 32 lanes' values, the same in each. */
template <class N, class Combine> __device__ inline N reduce_warp(N value, Combine combine)
{
    for (int bits = WARP / 2; bits > 0; bits /= 2)
        value = combine(value, __shfl_xor_sync(ALL_LANES, value, bits));
    return value;
}

/* The same of the block's threads, a multiple of 32 of them, in an order that depends on their number only. Every thread
 * must call it; `scratch` is shared memory for 32 values, free again behind the next barrier. */
template <class N, class Combine> __device__ inline N reduce_block(N value, Combine combine, N *scratch)
{
    const int thread = threadIdx.x, warps = blockDim.x / WARP;
    value = reduce_warp(value, combine);
    if (thread % WARP == 0)
        scratch[thread / WARP] = value;
    __syncthreads();
    value = scratch[0];
    for (int i = 1; i < warps; i++)
        value = combine(value, scratch[i]);
    return value;
}

#endif
