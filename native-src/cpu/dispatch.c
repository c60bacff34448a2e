/*
 * The public functions: each checks its arguments, then calls the kernel of the level asked for. Whatever can be
 * refused is refused before anything is written. That the pointers reach as far as the sizes say cannot be checked
 * here; the caller promises it.
 */
#define LEVEL ISTHMUS_LEVEL_BASELINE
#pragma GCC visibility push(default)
#include "isthmus.h"
#pragma GCC visibility pop
#include <math.h>

#include "kernels.h"
#include "kv.h"
#include "quantized.h"

/* The kernels of a level, from the table of operations. */
#define KERNEL_ADDRESS(op, result, parameters, suffix) op##suffix,
#define KERNELS_OF_LEVEL(suffix)       \
    OPERATIONS(DECLARE_KERNEL, suffix) \
    static const struct kernels kernels##suffix = {OPERATIONS(KERNEL_ADDRESS, suffix)};

/* The build defines HAVE_<LEVEL> for each level that the compiler could build. */
KERNELS_OF_LEVEL(_baseline)
#ifdef HAVE_AVX2
KERNELS_OF_LEVEL(_avx2)
#endif
#ifdef HAVE_AVX512
KERNELS_OF_LEVEL(_avx512)
#endif
#ifdef HAVE_VNNI
KERNELS_OF_LEVEL(_vnni)
#endif
#ifdef HAVE_NEON
KERNELS_OF_LEVEL(_neon)
#endif

#if defined HAVE_AVX512 || defined HAVE_VNNI
static int has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#endif

/* The level's kernels, or null where this build or this machine has none. The compiler's own check asks both the CPU
 * and, by XGETBV, whether the operating system saves the registers. Every CPU with AVX2 has F16C. */
static const struct kernels *kernels_of(int32_t level)
{
    switch (level) {
    case ISTHMUS_LEVEL_BASELINE:
        return &kernels_baseline;
#ifdef HAVE_AVX2
    case ISTHMUS_LEVEL_AVX2:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &kernels_avx2 : 0;
#endif
#ifdef HAVE_AVX512
    case ISTHMUS_LEVEL_AVX512:
        return has_avx512() ? &kernels_avx512 : 0;
#endif
#ifdef HAVE_VNNI
    case ISTHMUS_LEVEL_VNNI:
        return has_avx512() && __builtin_cpu_supports("avx512vnni") ? &kernels_vnni : 0;
#endif
#ifdef HAVE_NEON
    case ISTHMUS_LEVEL_NEON: /* part of every arm64 machine */
        return &kernels_neon;
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
    static const int32_t fastest_first[] = {ISTHMUS_LEVEL_VNNI, ISTHMUS_LEVEL_AVX512, ISTHMUS_LEVEL_AVX2,
                                            ISTHMUS_LEVEL_NEON};
    for (int i = 0; i < 4; i++)
        if (kernels_of(fastest_first[i]))
            return fastest_first[i];
    return ISTHMUS_LEVEL_BASELINE;
}

static int is_type(int32_t type)
{
    return ISTHMUS_TYPE_F32 <= type && type <= ISTHMUS_TYPE_Q4;
}

static int is_quantized(int32_t type)
{
    return type == ISTHMUS_TYPE_INT8 || type == ISTHMUS_TYPE_Q4;
}

/* Whether [begin, end) of `size` inputs or columns begins at a multiple of `block` and ends at one or at the end. */
static int is_whole(int64_t begin, int64_t end, int64_t size, int64_t block)
{
    return is_range(begin, end) && end <= size && begin % block == 0 && (end % block == 0 || end == size);
}

/* Whether a packed matrix's size can be addressed: filled up to whole blocks and panels, no type takes more than four
 * bytes and a half a weight. */
static int matrix_fits(int64_t K, int64_t N)
{
    return K > 0 && N > 0 && fits(K, N, 1) &&
           fits(rounded_up(K, ISTHMUS_INT8_BLOCK), rounded_up(N, ISTHMUS_PANEL), 2);
}

int64_t isthmus_matrix_bytes(int32_t type, int64_t K, int64_t N)
{
    RETURN_INVALID_UNLESS(is_type(type) && matrix_fits(K, N))
    return rounded_up(N, ISTHMUS_PANEL) / ISTHMUS_PANEL * panel_bytes(type, K);
}

int64_t isthmus_quantized_row_bytes(int32_t type, int64_t K)
{
    RETURN_INVALID_UNLESS(is_quantized(type) && matrix_fits(K, 1))
    return quantized_row_bytes(type, K);
}

/* Whether there is a matrix of a known type whose size can be addressed. */
static int is_matrix(const struct isthmus_matrix *matrix)
{
    return matrix && matrix->data && is_type(matrix->type) && matrix_fits(matrix->K, matrix->N);
}

int32_t isthmus_pack(int32_t level, const float *weights, int32_t layout, const struct isthmus_matrix *matrix,
                     int64_t k0, int64_t k1, int64_t n0, int64_t n1)
{
    KERNELS_OR_RETURN(level)
    RETURN_INVALID_UNLESS(weights && is_matrix(matrix))
    RETURN_INVALID_UNLESS(layout == ISTHMUS_LAYOUT_IN_OUT || layout == ISTHMUS_LAYOUT_OUT_IN)
    RETURN_INVALID_UNLESS(is_whole(k0, k1, matrix->K, block_inputs(matrix->type)))
    RETURN_INVALID_UNLESS(is_whole(n0, n1, matrix->N, ISTHMUS_PANEL))
    kernels->pack(weights, layout, matrix, k0, k1, n0, n1);
    return ISTHMUS_OK;
}

int32_t isthmus_embedding(int32_t level, const struct isthmus_matrix *wte, const float *wpe, int64_t P,
                          const struct isthmus_rows *rows, float *x, int64_t t0, int64_t t1)
{
    KERNELS_OR_RETURN(level)
    RETURN_INVALID_UNLESS(is_matrix(wte) && wpe && rows && rows->tokens && rows->positions && x && is_range(t0, t1))
    RETURN_INVALID_UNLESS(fits(P, wte->K, 1) && fits(t1, wte->K, 1))
    RETURN_INVALID_UNLESS(all_below(rows->tokens, t0, t1, wte->N) && all_below(rows->positions, t0, t1, P))
    kernels->embedding(wte, wpe, rows, x, t0, t1);
    return ISTHMUS_OK;
}

int32_t isthmus_layer_norm(int32_t level, const float *x, const struct isthmus_norm *norm, float *out, int64_t t0,
                           int64_t t1)
{
    KERNELS_OR_RETURN(level)
    RETURN_INVALID_UNLESS(x && norm && norm->weight && norm->bias && out && norm->C > 0)
    RETURN_INVALID_UNLESS(is_range(t0, t1) && fits(t1, norm->C, 1) && norm->epsilon >= 0 && isfinite(norm->epsilon))
    kernels->layer_norm(x, norm, out, t0, t1);
    return ISTHMUS_OK;
}

static int is_epilogue(const struct isthmus_epilogue *epilogue)
{
    return epilogue && epilogue->out && ISTHMUS_ACT_NONE <= epilogue->activation &&
           epilogue->activation <= ISTHMUS_ACT_RELU &&
           (epilogue->store == ISTHMUS_STORE ||
            (epilogue->store == ISTHMUS_ADD && epilogue->activation == ISTHMUS_ACT_NONE));
}

int32_t isthmus_matmul(int32_t level, const void *x, const struct isthmus_matrix *w,
                       const struct isthmus_epilogue *epilogue, int64_t t0, int64_t t1, int64_t n0, int64_t n1)
{
    KERNELS_OR_RETURN(level)
    RETURN_INVALID_UNLESS(x && is_matrix(w) && is_epilogue(epilogue) && is_whole(n0, n1, w->N, ISTHMUS_PANEL))
    RETURN_INVALID_UNLESS(is_range(t0, t1) && fits(t1, rounded_up(w->K, ISTHMUS_Q4_BLOCK), 2) && fits(t1, w->N, 1))
    (is_quantized(w->type) ? kernels->matmul_quantized : kernels->matmul)(x, w, epilogue, t0, t1, n0, n1);
    return ISTHMUS_OK;
}

int32_t isthmus_quantize(int32_t level, const float *x, int32_t type, void *q, int64_t K, int64_t t0, int64_t t1)
{
    KERNELS_OR_RETURN(level)
    RETURN_INVALID_UNLESS(x && q && is_quantized(type) && matrix_fits(K, 1) && is_range(t0, t1))
    RETURN_INVALID_UNLESS(fits(t1, rounded_up(K, ISTHMUS_Q4_BLOCK), 2))
    kernels->quantize(x, type, q, K, t0, t1);
    return ISTHMUS_OK;
}

/* Whether the cache's sizes can be addressed. */
static int is_kv(const struct isthmus_kv *kv)
{
    const int64_t room = PTRDIFF_MAX / 2; /* for the layers before this one, and for this one */
    return kv && kv->blocks && kv->block_start &&
           (kv->type == ISTHMUS_TYPE_F32 || kv->type == ISTHMUS_TYPE_F16 || kv->type == ISTHMUS_TYPE_INT8) &&
           kv->H > 0 && kv->D > 0 && kv->D <= ISTHMUS_MAX_HEAD_CHANNELS && 0 <= kv->layer_offset &&
           kv->layer_offset <= room && fits(kv->H, value_stride(kv->D), 4 * ISTHMUS_CACHE_BLOCK);
}

/* Whether rows [t0, t1) lie in blocks that exist: the block of each row's own position, or with `past` those of all
 * positions up to it, and in order. */
static int are_cached(const struct isthmus_rows *rows, const struct isthmus_kv *kv, int64_t t0, int64_t t1, int past)
{
    if (!rows || !rows->positions || !rows->sequences || !is_range(t0, t1) || !fits(t1, kv->H * kv->D, 3))
        return 0;
    const i32 *positions = rows->positions, *sequences = rows->sequences;
    const i64 *block_start = kv->block_start;
    for (int64_t t = t0; t < t1; t++) {
        if (positions[t] < 0 || sequences[t] < 0 || block_start[sequences[t]] < 0)
            return 0;
        if (past && t > t0 && sequences[t] == sequences[t - 1] && positions[t] <= positions[t - 1])
            return 0;
        const u64 *blocks = (const u64 *)kv->blocks + block_start[sequences[t]];
        const int64_t last = positions[t] / ISTHMUS_CACHE_BLOCK;
        for (int64_t block = past ? 0 : last; block <= last; block++)
            if (!blocks[block])
                return 0;
    }
    return 1;
}

int32_t isthmus_append_kv(int32_t level, const float *qkv, const struct isthmus_rows *rows,
                          const struct isthmus_kv *kv, int64_t t0, int64_t t1)
{
    KERNELS_OR_RETURN(level)
    RETURN_INVALID_UNLESS(qkv && is_kv(kv) && are_cached(rows, kv, t0, t1, 0))
    kernels->append_kv(qkv, rows, kv, t0, t1);
    return ISTHMUS_OK;
}

int32_t isthmus_attention(int32_t level, const struct isthmus_queries *queries, const struct isthmus_rows *rows,
                          const struct isthmus_kv *kv, int64_t t0, int64_t t1, int64_t h0, int64_t h1)
{
    KERNELS_OR_RETURN(level)
    RETURN_INVALID_UNLESS(queries && queries->qkv && queries->out && isfinite(queries->scale))
    RETURN_INVALID_UNLESS(is_kv(kv) && is_range(h0, h1) && h1 <= kv->H && are_cached(rows, kv, t0, t1, 1))
    kernels->attention(queries, rows, kv, t0, t1, h0, h1);
    return ISTHMUS_OK;
}

int32_t isthmus_read_bytes(int32_t level, const void *memory, int64_t bytes, int32_t *sum)
{
    KERNELS_OR_RETURN(level)
    RETURN_INVALID_UNLESS(memory && sum && bytes >= 0 && bytes % 64 == 0 && bytes <= PTRDIFF_MAX)
    *sum = kernels->read_bytes(memory, bytes);
    return ISTHMUS_OK;
}

int32_t isthmus_multiply_adds(int32_t level, int32_t type, int64_t count, int64_t *done)
{
    KERNELS_OR_RETURN(level)
    RETURN_INVALID_UNLESS(is_type(type) && done && 0 <= count && count <= ISTHMUS_MAX_MULTIPLY_ADDS)
    *done = kernels->multiply_adds(type, count);
    return ISTHMUS_OK;
}
