/*
 * The public functions: each checks its arguments, then calls the kernel of the level asked for. Whatever can be
 * refused is refused before anything is written. What cannot be checked here is that the pointers reach as far as
 * the sizes say; that is the caller's promise.
 */
#define LEVEL ISTHMUS_LEVEL_BASELINE
#pragma GCC visibility push(default)
#include "isthmus.h"
#pragma GCC visibility pop
#include <math.h>

#include "kernels.h"

#define TABLE(suffix)                                                                                      \
    {embedding##suffix, layer_norm##suffix, bias_activation##suffix, residual_add##suffix, matmul##suffix, \
     softmax##suffix,   append_kv##suffix,  attention##suffix}

/* The build defines HAVE_<LEVEL> for each level that the compiler could build. */
DECLARE_KERNELS(_baseline)
static const struct kernels BASELINE = TABLE(_baseline);
#ifdef HAVE_AVX2
DECLARE_KERNELS(_avx2)
static const struct kernels AVX2 = TABLE(_avx2);
#endif
#ifdef HAVE_AVX512
DECLARE_KERNELS(_avx512)
static const struct kernels AVX512 = TABLE(_avx512);
#endif
#ifdef HAVE_NEON
DECLARE_KERNELS(_neon)
static const struct kernels NEON = TABLE(_neon);
#endif

/* The level's kernels, or null where this build or this machine has none. The compiler's own check asks both the CPU
 * and, by XGETBV, whether the operating system saves the registers. */
static const struct kernels *kernels_of(int32_t level)
{
    switch (level) {
    case ISTHMUS_LEVEL_BASELINE:
        return &BASELINE;
#ifdef HAVE_AVX2
    case ISTHMUS_LEVEL_AVX2:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &AVX2 : 0;
#endif
#ifdef HAVE_AVX512
    case ISTHMUS_LEVEL_AVX512:
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                       __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")
                   ? &AVX512
                   : 0;
#endif
#ifdef HAVE_NEON
    case ISTHMUS_LEVEL_NEON: /* part of every arm64 machine */
        return &NEON;
#endif
    default:
        return 0;
    }
}

/* Sets `kernels`, or leaves with the status. */
#define KERNELS_OR_RETURN(level)                       \
    const struct kernels *kernels = kernels_of(level); \
    if (!kernels)                                      \
        return ISTHMUS_UNSUPPORTED;

#define RETURN_INVALID_UNLESS(condition) \
    if (!(condition))                    \
        return ISTHMUS_INVALID;

/* Whether 0 <= begin <= end. */
static int is_range(int64_t begin, int64_t end)
{
    return 0 <= begin && begin <= end;
}

/* Whether an array of a * b * c floats, none negative, has a size that can be addressed. */
static int fits(int64_t a, int64_t b, int64_t c)
{
    int64_t n;
    return a >= 0 && b >= 0 && c >= 0 && !__builtin_mul_overflow(a, b, &n) && !__builtin_mul_overflow(n, c, &n) &&
           !__builtin_mul_overflow(n, (int64_t)sizeof(float), &n) && n <= PTRDIFF_MAX;
}

/* Whether every value of indices[begin..end) lies in [0, limit). */
static int all_below(const i32 *indices, int64_t begin, int64_t end, int64_t limit)
{
    for (int64_t i = begin; i < end; i++)
        if (indices[i] < 0 || indices[i] >= limit)
            return 0;
    return 1;
}

int32_t isthmus_abi_version(void)
{
    return ISTHMUS_ABI_VERSION;
}

int32_t isthmus_level_supported(int32_t level)
{
    return kernels_of(level) != 0;
}

int32_t isthmus_best_level(void)
{
    static const int32_t fastest_first[] = {ISTHMUS_LEVEL_AVX512, ISTHMUS_LEVEL_AVX2, ISTHMUS_LEVEL_NEON};
    for (int i = 0; i < 3; i++)
        if (kernels_of(fastest_first[i]))
            return fastest_first[i];
    return ISTHMUS_LEVEL_BASELINE;
}

int32_t isthmus_embedding(int32_t level, const float *wte, const float *wpe, const int32_t *tokens,
                          const int32_t *positions, float *x, int64_t V, int64_t P, int64_t C, int64_t t0, int64_t t1)
{
    KERNELS_OR_RETURN(level)
    RETURN_INVALID_UNLESS(wte && wpe && tokens && positions && x && C > 0 && is_range(t0, t1))
    RETURN_INVALID_UNLESS(fits(V, C, 1) && fits(P, C, 1) && fits(t1, C, 1))
    RETURN_INVALID_UNLESS(all_below(tokens, t0, t1, V) && all_below(positions, t0, t1, P))
    kernels->embedding(wte, wpe, tokens, positions, x, C, t0, t1);
    return ISTHMUS_OK;
}

int32_t isthmus_layer_norm(int32_t level, const float *x, const float *weight, const float *bias, float *out, int64_t C,
                           double epsilon, int64_t t0, int64_t t1)
{
    KERNELS_OR_RETURN(level)
    RETURN_INVALID_UNLESS(x && weight && bias && out && C > 0 && is_range(t0, t1) && fits(t1, C, 1))
    RETURN_INVALID_UNLESS(epsilon >= 0 && isfinite(epsilon))
    kernels->layer_norm(x, weight, bias, out, C, epsilon, t0, t1);
    return ISTHMUS_OK;
}

int32_t isthmus_bias_activation(int32_t level, float *x, const float *bias, int32_t activation, int64_t T, int64_t N,
                                int64_t n0, int64_t n1)
{
    KERNELS_OR_RETURN(level)
    RETURN_INVALID_UNLESS(x && is_range(n0, n1) && n1 <= N && fits(T, N, 1))
    RETURN_INVALID_UNLESS(ISTHMUS_ACT_NONE <= activation && activation <= ISTHMUS_ACT_RELU)
    kernels->bias_activation(x, bias, activation, T, N, n0, n1);
    return ISTHMUS_OK;
}

int32_t isthmus_residual_add(int32_t level, float *x, const float *y, int64_t C, int64_t t0, int64_t t1)
{
    KERNELS_OR_RETURN(level)
    RETURN_INVALID_UNLESS(x && y && C > 0 && is_range(t0, t1) && fits(t1, C, 1))
    kernels->residual_add(x, y, C, t0, t1);
    return ISTHMUS_OK;
}

int32_t isthmus_matmul(int32_t level, const float *x, const float *w, float *out, int32_t layout, int64_t T, int64_t K,
                       int64_t N, int64_t n0, int64_t n1)
{
    KERNELS_OR_RETURN(level)
    RETURN_INVALID_UNLESS(x && w && out && K > 0 && is_range(n0, n1) && n1 <= N)
    RETURN_INVALID_UNLESS(0 <= T && T <= ISTHMUS_MATMUL_MAX_ROWS && fits(T, K, 1) && fits(K, N, 1) && fits(T, N, 1))
    RETURN_INVALID_UNLESS(layout == ISTHMUS_LAYOUT_IN_OUT || layout == ISTHMUS_LAYOUT_OUT_IN)
    kernels->matmul(x, w, out, layout, T, K, N, n0, n1);
    return ISTHMUS_OK;
}

int32_t isthmus_softmax(int32_t level, float *x, int64_t N, int64_t t0, int64_t t1)
{
    KERNELS_OR_RETURN(level)
    RETURN_INVALID_UNLESS(x && N > 0 && is_range(t0, t1) && fits(t1, N, 1))
    kernels->softmax(x, N, t0, t1);
    return ISTHMUS_OK;
}

/* Whether the cache's sizes are sound and rows [t0, t1) lie in blocks that exist: the block of each row's own
 * position, or with `past` those of all positions up to it. */
static int cache_is_sound(const struct kv_cache *cache, const i32 *positions, const i32 *sequences, int64_t t0,
                          int64_t t1, int past)
{
    int64_t floats;
    if (cache->H <= 0 || cache->D <= 0 || cache->block_positions <= 0 || cache->layer_offset < 0 ||
        !fits(cache->H, cache->D, 3) || !fits(cache->H * cache->D, cache->block_positions, 2) ||
        __builtin_add_overflow(cache->layer_offset, 2 * cache->H * cache->D * cache->block_positions, &floats) ||
        !fits(floats, 1, 1) || !is_range(t0, t1) || !fits(t1, cache->H * cache->D, 3))
        return 0;
    for (int64_t t = t0; t < t1; t++) {
        if (positions[t] < 0 || sequences[t] < 0 || cache->block_start[sequences[t]] < 0)
            return 0;
        const u64 *blocks = cache->blocks + cache->block_start[sequences[t]];
        const int64_t last = positions[t] / cache->block_positions;
        for (int64_t block = past ? 0 : last; block <= last; block++)
            if (!blocks[block])
                return 0;
    }
    return 1;
}

int32_t isthmus_append_kv(int32_t level, const float *qkv, const int32_t *positions, const int32_t *sequences,
                          const uint64_t *blocks, const int64_t *block_start, int64_t block_positions,
                          int64_t layer_offset, int64_t H, int64_t D, int64_t t0, int64_t t1)
{
    KERNELS_OR_RETURN(level)
    const struct kv_cache cache = {blocks, block_start, block_positions, layer_offset, H, D};
    RETURN_INVALID_UNLESS(qkv && positions && sequences && blocks && block_start)
    RETURN_INVALID_UNLESS(cache_is_sound(&cache, positions, sequences, t0, t1, 0))
    kernels->append_kv(qkv, positions, sequences, &cache, t0, t1);
    return ISTHMUS_OK;
}

int32_t isthmus_attention(int32_t level, const float *qkv, float *out, const int32_t *positions,
                          const int32_t *sequences, const uint64_t *blocks, const int64_t *block_start,
                          int64_t block_positions, int64_t layer_offset, int64_t H, int64_t D, float scale, int64_t t0,
                          int64_t t1, int64_t h0, int64_t h1)
{
    KERNELS_OR_RETURN(level)
    const struct kv_cache cache = {blocks, block_start, block_positions, layer_offset, H, D};
    RETURN_INVALID_UNLESS(qkv && out && positions && sequences && blocks && block_start && isfinite(scale))
    RETURN_INVALID_UNLESS(is_range(h0, h1) && h1 <= H && cache_is_sound(&cache, positions, sequences, t0, t1, 1))
    kernels->attention(qkv, out, positions, sequences, &cache, scale, t0, t1, h0, h1);
    return ISTHMUS_OK;
}
