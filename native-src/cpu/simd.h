/*
 * Maps vectors to instruction sets, so that each kernel body is written once.
 *
 * The types are the vector extensions of GCC and Clang: + - * / and comparisons are the language's own, lane by
 * lane, and only what the language lacks is named here: unaligned and partial access, explicit FMA, sums across
 * lanes. The build compiles every kernel once per level with LEVEL and SUFFIX set and that level's ISA flags.
 * Contraction is off, so a multiply and an add fuse where v_fma or d_fma says so and nowhere else; at BASELINE
 * they never fuse.
 *
 * Whatever lane an element falls into, the same operations are applied to it in the same order, so results do not
 * depend on how callers split the work.
 */
#ifndef ISTHMUS_SIMD_H
#define ISTHMUS_SIMD_H

#include <stdint.h>
#include <string.h>

#include "isthmus.h"

#define IS_AVX512 (LEVEL == ISTHMUS_LEVEL_AVX512 || LEVEL == ISTHMUS_LEVEL_VNNI)

#if IS_AVX512
#include <immintrin.h>
#define VECTOR_BYTES 64
#elif LEVEL == ISTHMUS_LEVEL_AVX2
#include <immintrin.h>
#define VECTOR_BYTES 32
#elif LEVEL == ISTHMUS_LEVEL_NEON
#include <arm_neon.h>
#define VECTOR_BYTES 16
#else
#define VECTOR_BYTES 16 /* SSE2 on x86-64; the compiler lowers it to what other machines have */
#endif

#define INLINE static inline __attribute__((always_inline))

enum { LANES = VECTOR_BYTES / 4, DLANES = VECTOR_BYTES / 8 };

/* Vectors of LANES floats and of DLANES doubles, and the integers of the same width, for bits and masks. */
typedef float vec __attribute__((vector_size(VECTOR_BYTES)));
typedef int32_t vmask __attribute__((vector_size(VECTOR_BYTES)));
typedef uint8_t vbytes __attribute__((vector_size(VECTOR_BYTES)));
typedef uint32_t vbits __attribute__((vector_size(VECTOR_BYTES)));
typedef double dvec __attribute__((vector_size(VECTOR_BYTES)));
typedef int64_t dmask __attribute__((vector_size(VECTOR_BYTES)));
typedef uint64_t dbits __attribute__((vector_size(VECTOR_BYTES)));
typedef float half_vec __attribute__((vector_size(VECTOR_BYTES / 2)));

/* A float, and the other element types of the interface, that may lie at any address: tensors in a mapped file
 * are rarely aligned. Access through these is defined for every address, and as fast. */
typedef float f32 __attribute__((aligned(1)));
typedef uint16_t u16 __attribute__((aligned(1)));
typedef int32_t i32 __attribute__((aligned(1)));
typedef int64_t i64 __attribute__((aligned(1)));
typedef uint64_t u64 __attribute__((aligned(1)));

/* ---- float ---- */

INLINE vec v_set(float x)
{
    return x - (vec){0};
}

INLINE vec v_load(const f32 *p)
{
    vec v;
    memcpy(&v, p, sizeof v);
    return v;
}

INLINE void v_store(f32 *p, vec v)
{
    memcpy(p, &v, sizeof v);
}

/* The first n lanes, 0 < n < LANES, from memory; the others are zero and their memory is not touched. */
INLINE vec v_load_part(const f32 *p, int64_t n)
{
#if IS_AVX512
    return _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#elif LEVEL == ISTHMUS_LEVEL_AVX2
    const vmask lane = {0, 1, 2, 3, 4, 5, 6, 7};
    return _mm256_maskload_ps((const float *)p, (__m256i)(lane < (int32_t)n));
#else
    vec v = {0};
    memcpy(&v, p, (size_t)n * sizeof(float));
    return v;
#endif
}

INLINE void v_store_part(f32 *p, vec v, int64_t n)
{
#if IS_AVX512
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), v);
#elif LEVEL == ISTHMUS_LEVEL_AVX2
    const vmask lane = {0, 1, 2, 3, 4, 5, 6, 7};
    _mm256_maskstore_ps((float *)p, (__m256i)(lane < (int32_t)n), v);
#else
    memcpy(p, &v, (size_t)n * sizeof(float));
#endif
}

/* a * b + c, rounded once where the level has FMA. */
INLINE vec v_fma(vec a, vec b, vec c)
{
#if IS_AVX512
    return _mm512_fmadd_ps(a, b, c);
#elif LEVEL == ISTHMUS_LEVEL_AVX2
    return _mm256_fmadd_ps(a, b, c);
#elif LEVEL == ISTHMUS_LEVEL_NEON
    return (vec)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
    return a * b + c;
#endif
}

/* Which of the lanes' numbers first, first + 1, ... are below n. */
INLINE vmask v_below(int64_t first, int64_t n)
{
    vmask lane;
    for (int j = 0; j < LANES; j++)
        lane[j] = j;
    return lane + (int32_t)first < (int32_t)n;
}

INLINE vec v_select(vmask m, vec yes, vec no)
{
    return (vec)((m & (vmask)yes) | (~m & (vmask)no));
}

/* The larger of each lane; b's where either is NaN. */
INLINE vec v_max(vec a, vec b)
{
#if IS_AVX512
    return _mm512_max_ps(a, b);
#elif LEVEL == ISTHMUS_LEVEL_AVX2
    return _mm256_max_ps(a, b);
#else
    return v_select(a > b, a, b);
#endif
}

/* The smaller of each lane; b's where either is NaN. */
INLINE vec v_min(vec a, vec b)
{
#if IS_AVX512
    return _mm512_min_ps(a, b);
#elif LEVEL == ISTHMUS_LEVEL_AVX2
    return _mm256_min_ps(a, b);
#else
    return v_select(a < b, a, b);
#endif
}

/* Lane j of x[i] becomes lane i of x[j]. */
INLINE void v_transpose(vec x[LANES])
{
#if IS_AVX512
    /* Four rounds that interleave the first eight vectors with the others. */
    const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const __m512i high = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    for (int round = 0; round < 4; round++) {
        vec y[16];
        for (int i = 0; i < 8; i++) {
            y[2 * i] = _mm512_permutex2var_ps(x[i], low, x[i + 8]);
            y[2 * i + 1] = _mm512_permutex2var_ps(x[i], high, x[i + 8]);
        }
        memcpy(x, y, sizeof y);
    }
#else
    vec y[LANES];
    for (int i = 0; i < LANES; i++)
        for (int j = 0; j < LANES; j++)
            y[i][j] = x[j][i];
    memcpy(x, y, sizeof y);
#endif
}

/* The largest lane; NaN lanes may be ignored. */
INLINE float v_largest(vec v)
{
#if IS_AVX512
    return _mm512_reduce_max_ps(v);
#else
    float lane[LANES];
    memcpy(lane, &v, sizeof v);
    for (int width = LANES / 2; width > 0; width /= 2)
        for (int i = 0; i < width; i++)
            lane[i] = lane[i] > lane[i + width] ? lane[i] : lane[i + width];
    return lane[0];
#endif
}

/* Whether any lane of a is greater than b's. */
INLINE int v_exceeds(vec a, vec b)
{
#if IS_AVX512
    return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ) != 0;
#elif LEVEL == ISTHMUS_LEVEL_AVX2
    return _mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_GT_OQ)) != 0;
#else
    const vmask above = a > b;
    int32_t any = 0;
    for (int i = 0; i < LANES; i++)
        any |= above[i];
    return any != 0;
#endif
}

INLINE int32_t v_largest_int(vmask v)
{
#if IS_AVX512
    return _mm512_reduce_max_epi32((__m512i)v);
#else
    int32_t largest = v[0];
    for (int i = 1; i < LANES; i++)
        largest = v[i] > largest ? v[i] : largest;
    return largest;
#endif
}

INLINE int32_t v_sum_int(vmask v)
{
#if IS_AVX512
    return _mm512_reduce_add_epi32((__m512i)v);
#else
    int32_t sum = 0;
    for (int i = 0; i < LANES; i++)
        sum += v[i];
    return sum;
#endif
}

/*
 * e^x to about one unit in the last place, denormal results included; 0 at -inf, inf above 88.73, NaN for NaN.
 * x = n ln 2 + r with |r| <= ln 2 / 2; e^r by its Taylor series, whose first omitted term r^8 / 8! is below a
 * tenth of a unit; 2^n in two factors, so that n may lie beyond the exponents of normal numbers. ln 2 is split as
 * in Cephes' expf: the high part has nine bits, so that n times it is exact without FMA too.
 */
INLINE vec v_exp(vec x)
{
    const float round_to_int = 12582912.0f; /* 1.5 * 2^23: adding it leaves the integer in the low bits */

    x = v_max(v_set(-104.0f), x);
    x = v_min(v_set(89.0f), x);

    const vec shifted = v_fma(x, v_set(1.44269504f), v_set(round_to_int));
    const vec n = shifted - round_to_int;
    vec r = v_fma(n, v_set(-0.693359375f), x);
    r = v_fma(n, v_set(2.12194440e-4f), r);

    vec q = v_set(1.0f / 5040);
    q = v_fma(q, r, v_set(1.0f / 720));
    q = v_fma(q, r, v_set(1.0f / 120));
    q = v_fma(q, r, v_set(1.0f / 24));
    q = v_fma(q, r, v_set(1.0f / 6));
    q = v_fma(q, r, v_set(0.5f));
    const vec e = v_fma(r * r, q, r) + 1.0f;

#if IS_AVX512
    return _mm512_scalef_ps(e, n);
#else
    /* Twice the exponents' bias of 127, then halved: the two factors' biased exponents, both positive. */
    const vbits biased = (vbits)shifted - (vbits)v_set(round_to_int) + 254u;
    const vbits first = biased >> 1;
    const vbits second = biased - first;
    return e * (vec)(first << 23) * (vec)(second << 23);
#endif
}

#endif
