/*
 * The kernels behind the public functions, one set per level. Arguments are as in isthmus.h, less the level, and
 * have been checked by dispatch.c: kernels validate nothing and cannot fail.
 */
#ifndef ISTHMUS_KERNELS_H
#define ISTHMUS_KERNELS_H

#include "simd.h"

struct kv_cache {
    const u64 *blocks;
    const i64 *block_start;
    int64_t block_positions;
    int64_t layer_offset;
    int64_t H;
    int64_t D;
};

typedef void embedding_kernel(const f32 *wte, const f32 *wpe, const i32 *tokens, const i32 *positions, f32 *x,
                              int64_t C, int64_t t0, int64_t t1);
typedef void layer_norm_kernel(const f32 *x, const f32 *weight, const f32 *bias, f32 *out, int64_t C, double epsilon,
                               int64_t t0, int64_t t1);
typedef void bias_activation_kernel(f32 *x, const f32 *bias, int32_t activation, int64_t T, int64_t N, int64_t n0,
                                    int64_t n1);
typedef void residual_add_kernel(f32 *x, const f32 *y, int64_t C, int64_t t0, int64_t t1);
typedef void matmul_kernel(const f32 *x, const f32 *w, f32 *out, int32_t layout, int64_t T, int64_t K, int64_t N,
                           int64_t n0, int64_t n1);
typedef void softmax_kernel(f32 *x, int64_t N, int64_t t0, int64_t t1);
typedef void append_kv_kernel(const f32 *qkv, const i32 *positions, const i32 *sequences,
                              const struct kv_cache *cache, int64_t t0, int64_t t1);
typedef void attention_kernel(const f32 *qkv, f32 *out, const i32 *positions, const i32 *sequences,
                              const struct kv_cache *cache, float scale, int64_t t0, int64_t t1, int64_t h0,
                              int64_t h1);

struct kernels {
    embedding_kernel *embedding;
    layer_norm_kernel *layer_norm;
    bias_activation_kernel *bias_activation;
    residual_add_kernel *residual_add;
    matmul_kernel *matmul;
    softmax_kernel *softmax;
    append_kv_kernel *append_kv;
    attention_kernel *attention;
};

#define DECLARE_KERNELS(suffix)                     \
    embedding_kernel embedding##suffix;             \
    layer_norm_kernel layer_norm##suffix;           \
    bias_activation_kernel bias_activation##suffix; \
    residual_add_kernel residual_add##suffix;       \
    matmul_kernel matmul##suffix;                   \
    softmax_kernel softmax##suffix;                 \
    append_kv_kernel append_kv##suffix;             \
    attention_kernel attention##suffix;

/* The name of a kernel at the level being compiled: KERNEL(matmul) is matmul_avx2. */
#define KERNEL_NAME(op, suffix) op##suffix
#define KERNEL_NAME_OF(op, suffix) KERNEL_NAME(op, suffix)
#define KERNEL(op) KERNEL_NAME_OF(op, SUFFIX)

#ifdef SUFFIX
#define DECLARE_KERNELS_OF(suffix) DECLARE_KERNELS(suffix)
DECLARE_KERNELS_OF(SUFFIX)
#endif

/* Where the keys of position p of a sequence begin for head h; the values lie value_offset(cache) floats on. */
INLINE f32 *key_row(const struct kv_cache *cache, int64_t sequence, int64_t p, int64_t h)
{
    const int64_t size = cache->block_positions;
    f32 *block = (f32 *)(uintptr_t)cache->blocks[cache->block_start[sequence] + p / size];
    return block + cache->layer_offset + (h * size + p % size) * cache->D;
}

INLINE int64_t value_offset(const struct kv_cache *cache)
{
    return cache->H * cache->block_positions * cache->D;
}

#endif
