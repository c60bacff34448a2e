/*
 * The kernels below the public functions, one set per level. Arguments are as in isthmus.h, less the level, and have
 * been checked by dispatch.c: kernels validate nothing and cannot fail.
 */
#ifndef ISTHMUS_KERNELS_H
#define ISTHMUS_KERNELS_H

#include "operations.h"
#include "simd.h"

struct kernels {
#define KERNEL_POINTER(op, result, parameters, unused) result(*op) parameters;
    OPERATIONS(KERNEL_POINTER, )
};

/* Declares an operation's kernel at a level: matmul_avx2 for matmul and _avx2. */
#define DECLARE_KERNEL(op, result, parameters, suffix) result op##suffix parameters;

/* The name of a kernel at the level being compiled: KERNEL(matmul) is matmul_avx2. */
#define KERNEL_NAME(op, suffix) op##suffix
#define KERNEL_NAME_OF(op, suffix) KERNEL_NAME(op, suffix)
#define KERNEL(op) KERNEL_NAME_OF(op, SUFFIX)

#ifdef SUFFIX
OPERATIONS(DECLARE_KERNEL, SUFFIX)
#endif

INLINE int64_t rounded_up(int64_t n, int64_t multiple)
{
    return (n + multiple - 1) / multiple * multiple;
}

INLINE int64_t element_bytes(int32_t type)
{
    return type == ISTHMUS_TYPE_F32 ? 4 : type == ISTHMUS_TYPE_INT8 ? 1 : 2;
}

#endif
