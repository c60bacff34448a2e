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
    int32_t type;
    int64_t layer_offset;
    int64_t H;
    int64_t D;
};

/* What a matrix product does with its sums; out is [T, N]. */
struct epilogue {
    const f32 *bias;
    int32_t activation;
    int add;
    f32 *out;
};

typedef void pack_kernel(const f32 *weights, int32_t layout, int32_t type, char *matrix, int64_t K, int64_t k0,
                         int64_t k1, int64_t n0, int64_t n1);
typedef void embedding_kernel(const char *wte, int32_t type, const f32 *wpe, const i32 *tokens, const i32 *positions,
                              f32 *x, int64_t C, int64_t t0, int64_t t1);
typedef void layer_norm_kernel(const f32 *x, const f32 *weight, const f32 *bias, f32 *out, int64_t C, double epsilon,
                               int64_t t0, int64_t t1);
typedef void matmul_kernel(const void *x, const void *w, int32_t type, const struct epilogue *epilogue, int64_t K,
                           int64_t N, int64_t t0, int64_t t1, int64_t n0, int64_t n1);
typedef void quantize_kernel(const f32 *x, int32_t type, void *q, int64_t K, int64_t t0, int64_t t1);
typedef void softmax_kernel(f32 *x, int64_t N, int64_t t0, int64_t t1);
typedef void append_kv_kernel(const f32 *qkv, const i32 *positions, const i32 *sequences,
                              const struct kv_cache *cache, int64_t t0, int64_t t1);
typedef void attention_kernel(const f32 *qkv, f32 *out, const i32 *positions, const i32 *sequences,
                              const struct kv_cache *cache, float scale, int64_t t0, int64_t t1, int64_t h0,
                              int64_t h1);
typedef int32_t read_bytes_kernel(const char *memory, int64_t bytes);
typedef int64_t multiply_adds_kernel(int32_t type, int64_t count);

struct kernels {
    pack_kernel *pack;
    embedding_kernel *embedding;
    layer_norm_kernel *layer_norm;
    matmul_kernel *matmul;
    matmul_kernel *matmul_quantized;
    quantize_kernel *quantize;
    softmax_kernel *softmax;
    append_kv_kernel *append_kv;
    attention_kernel *attention;
    read_bytes_kernel *read_bytes;
    multiply_adds_kernel *multiply_adds;
};

#define DECLARE_KERNELS(suffix)            \
    pack_kernel pack##suffix;              \
    embedding_kernel embedding##suffix;    \
    layer_norm_kernel layer_norm##suffix;  \
    matmul_kernel matmul##suffix;          \
    matmul_kernel matmul_quantized##suffix; \
    quantize_kernel quantize##suffix;      \
    softmax_kernel softmax##suffix;        \
    append_kv_kernel append_kv##suffix;    \
    attention_kernel attention##suffix;    \
    read_bytes_kernel read_bytes##suffix;  \
    multiply_adds_kernel multiply_adds##suffix;

/* The name of a kernel at the level being compiled: KERNEL(matmul) is matmul_avx2. */
#define KERNEL_NAME(op, suffix) op##suffix
#define KERNEL_NAME_OF(op, suffix) KERNEL_NAME(op, suffix)
#define KERNEL(op) KERNEL_NAME_OF(op, SUFFIX)

#ifdef SUFFIX
#define DECLARE_KERNELS_OF(suffix) DECLARE_KERNELS(suffix)
DECLARE_KERNELS_OF(SUFFIX)
#endif

static inline int64_t rounded_up(int64_t n, int64_t multiple)
{
    return (n + multiple - 1) / multiple * multiple;
}

INLINE int64_t element_bytes(int32_t type)
{
    return type == ISTHMUS_TYPE_F32 ? 4 : type == ISTHMUS_TYPE_INT8 ? 1 : 2;
}

/* D', the distance of two positions' values. */
INLINE int64_t value_stride(int64_t D)
{
    return rounded_up(D, 16);
}

/* The bytes of a head's keys in a block without their scales, and of its values. */
INLINE int64_t key_bytes(const struct kv_cache *cache)
{
    const int64_t D = cache->D;
    return ISTHMUS_CACHE_BLOCK * (cache->type == ISTHMUS_TYPE_INT8 ? rounded_up(D, 4) : D * element_bytes(cache->type));
}

INLINE int64_t value_bytes(const struct kv_cache *cache)
{
    return ISTHMUS_CACHE_BLOCK * value_stride(cache->D) * element_bytes(cache->type);
}

INLINE int64_t scale_bytes(const struct kv_cache *cache)
{
    return cache->type == ISTHMUS_TYPE_INT8 ? ISTHMUS_CACHE_BLOCK * (int64_t)sizeof(float) : 0;
}

/* The keys of head h in the block of position p. */
INLINE char *key_tile(const struct kv_cache *cache, int64_t sequence, int64_t p, int64_t h)
{
    char *block = (char *)(uintptr_t)cache->blocks[cache->block_start[sequence] + p / ISTHMUS_CACHE_BLOCK];
    return block + cache->layer_offset + h * (key_bytes(cache) + scale_bytes(cache));
}

/* The values of head h in the block of position p. */
INLINE char *value_tile(const struct kv_cache *cache, int64_t sequence, int64_t p, int64_t h)
{
    return key_tile(cache, sequence, p, cache->H) + h * (value_bytes(cache) + scale_bytes(cache));
}

/* The scales [ISTHMUS_CACHE_BLOCK] behind INT8 keys, and behind values. */
INLINE f32 *key_scales(const struct kv_cache *cache, char *keys)
{
    return (f32 *)(void *)(keys + key_bytes(cache));
}

INLINE f32 *value_scales(const struct kv_cache *cache, char *values)
{
    return (f32 *)(void *)(values + value_bytes(cache));
}

#endif
