/*
 * The kernels below the public functions, one set per level. Arguments are as in isthmus.h, less the level, and have
 * been checked by dispatch.c: kernels validate nothing and cannot fail.
 */
#ifndef ISTHMUS_KERNELS_H
#define ISTHMUS_KERNELS_H

#include "operations.h"
#include "simd.h"

typedef void pack_kernel(const f32 *weights, int32_t layout, const struct isthmus_matrix *matrix, int64_t k0,
                         int64_t k1, int64_t n0, int64_t n1);
typedef void embedding_kernel(const struct isthmus_matrix *wte, const f32 *wpe, const struct isthmus_rows *rows, f32 *x,
                              int64_t t0, int64_t t1);
typedef void layer_norm_kernel(const f32 *x, const struct isthmus_norm *norm, f32 *out, int64_t t0, int64_t t1);
typedef void matmul_kernel(const void *x, const struct isthmus_matrix *w, const struct isthmus_epilogue *epilogue,
                           int64_t t0, int64_t t1, int64_t n0, int64_t n1);
typedef matmul_kernel matmul_quantized_kernel;
typedef void quantize_kernel(const f32 *x, int32_t type, void *q, int64_t K, int64_t t0, int64_t t1);
typedef void softmax_kernel(f32 *x, int64_t N, int64_t t0, int64_t t1);
typedef void append_kv_kernel(const f32 *qkv, const struct isthmus_rows *rows, const struct isthmus_kv *kv, int64_t t0,
                              int64_t t1);
typedef void attention_kernel(const struct isthmus_queries *queries, const struct isthmus_rows *rows,
                              const struct isthmus_kv *kv, int64_t t0, int64_t t1, int64_t h0, int64_t h1);
typedef int32_t read_bytes_kernel(const char *memory, int64_t bytes);
typedef int64_t multiply_adds_kernel(int32_t type, int64_t count);

struct kernels {
#define KERNEL_POINTER(op, unused) op##_kernel *op;
    OPERATIONS(KERNEL_POINTER, )
};

/* Declares the kernel of an operation at a level: DECLARE_KERNEL(matmul, _avx2) declares matmul_avx2. */
#define DECLARE_KERNEL(op, suffix) op##_kernel op##suffix;

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
