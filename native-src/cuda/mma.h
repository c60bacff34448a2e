/*
 * The instructions that attention on tensor cores is made of, for float16 and bfloat16: asynchronous copies to shared
 * memory, reading matrices from it, and multiplying them (PTX ISA, "Matrix fragments for mma.m16n8k16"). The emulation
 * computes what they specify, lane by lane, so that the kernels' handling of fragments runs on a CPU too.
 *
 * With g = lane / 4 and i = lane % 4 a lane holds of
 *   A [16, 16]: register 0 row g, columns 2i and 2i + 1; 1 row g + 8; 2 and 3 the same rows, columns 8 further
 *   B [16, 8]: register 0 rows 2i and 2i + 1, column g; 1 rows 8 further
 *   C [16, 8]: 0 and 1 row g, columns 2i and 2i + 1; 2 and 3 row g + 8
 */
#ifndef ISTHMUS_CUDA_MMA_H
#define ISTHMUS_CUDA_MMA_H

#include "elements.h"

/* Two elements as a register holds them, the first in the lower half. */
template <class E> __device__ inline uint32_t pack(float first, float second)
{
    const E both[2] = {of_float<E>(first), of_float<E>(second)};
    return *reinterpret_cast<const uint32_t *>(both);
}

#ifdef __CUDACC__

/* Copies sixteen bytes to shared memory, or as many zeros, by the time that copies_done says so. */
__device__ inline void copy_async(void *to_shared, const void *from, bool zeros)
{
    const unsigned to = (unsigned)__cvta_generic_to_shared(to_shared);
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(zeros ? 0 : 16) : "memory");
}

/* Ends a group of this thread's copies. */
__device__ inline void end_group()
{
    asm volatile("cp.async.commit_group;" ::: "memory");
}

/* Waits until all of this thread's groups but the latest `pending` are there; a barrier then shows them to the others. */
template <int pending> __device__ inline void copies_done()
{
    asm volatile("cp.async.wait_group %0;" ::"n"(pending) : "memory");
}

/* Reads four matrices [8, 8]; lane 8m + r names row r of matrix m, sixteen bytes. r[m] is then row g, columns 2i and
 * 2i + 1 of matrix m, or with `transposed` rows 2i and 2i + 1 of column g. */
template <bool transposed> __device__ inline void load_matrices(uint32_t (&r)[4], const void *row)
{
    const unsigned at = (unsigned)__cvta_generic_to_shared(row);
    if (transposed)
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(at) : "memory");
    else
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(at) : "memory");
}

/* c += a b. */
template <class E> __device__ inline void multiply_add(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1);

#define DEFINE_MULTIPLY_ADD(E, type)                                                                                    \
    template <>                                                                                                         \
    __device__ inline void multiply_add<E>(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1)             \
    {                                                                                                                   \
        asm volatile("mma.sync.aligned.m16n8k16.row.col.f32." type "." type ".f32 {%0, %1, %2, %3}, "                   \
                     "{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"                                                    \
                     : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])                                                   \
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));                                   \
    }
DEFINE_MULTIPLY_ADD(__half, "f16")
DEFINE_MULTIPLY_ADD(__nv_bfloat16, "bf16")

/* 2^x to 2 units in the last place of a float, less exact for results below 2^-126, which become 0. */
__device__ inline float power_of_two(float x)
{
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

#else
#include "emulated/mma_on_cpu.h"
#endif

#endif
