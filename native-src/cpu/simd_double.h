/* Vectors of doubles, for sums and functions whose rounding must not show in a float. */
#ifndef ISTHMUS_SIMD_DOUBLE_H
#define ISTHMUS_SIMD_DOUBLE_H

#include "simd.h"

INLINE dvec d_set(double x)
{
    return x - (dvec){0};
}

/* DLANES floats, widened. */
INLINE dvec d_load(const f32 *p)
{
    half_vec v;
    memcpy(&v, p, sizeof v);
    return __builtin_convertvector(v, dvec);
}

/* As v_load_part: the first n floats, 0 < n < DLANES, the other lanes zero. */
INLINE dvec d_load_part(const f32 *p, int64_t n)
{
    half_vec v = {0};
    memcpy(&v, p, (size_t)n * sizeof(float));
    return __builtin_convertvector(v, dvec);
}

/* Rounds to DLANES floats. */
INLINE void d_store(f32 *p, dvec v)
{
    const half_vec h = __builtin_convertvector(v, half_vec);
    memcpy(p, &h, sizeof h);
}

INLINE void d_store_part(f32 *p, dvec v, int64_t n)
{
    const half_vec h = __builtin_convertvector(v, half_vec);
    memcpy(p, &h, (size_t)n * sizeof(float));
}

INLINE dvec d_fma(dvec a, dvec b, dvec c)
{
#if IS_AVX512
    return _mm512_fmadd_pd(a, b, c);
#elif LEVEL == ISTHMUS_LEVEL_AVX2
    return _mm256_fmadd_pd(a, b, c);
#elif LEVEL == ISTHMUS_LEVEL_NEON
    return (dvec)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
#else
    return a * b + c;
#endif
}

INLINE dvec d_select(dmask m, dvec yes, dvec no)
{
    return (dvec)((m & (dmask)yes) | (~m & (dmask)no));
}

/* Where a lane of a or b is not a number, b's. */
INLINE dvec d_max(dvec a, dvec b)
{
#if IS_AVX512
    return _mm512_max_pd(a, b);
#elif LEVEL == ISTHMUS_LEVEL_AVX2
    return _mm256_max_pd(a, b);
#else
    return d_select(a > b, a, b);
#endif
}

/* As d_max. */
INLINE dvec d_min(dvec a, dvec b)
{
#if IS_AVX512
    return _mm512_min_pd(a, b);
#elif LEVEL == ISTHMUS_LEVEL_AVX2
    return _mm256_min_pd(a, b);
#else
    return d_select(a < b, a, b);
#endif
}

/* Each lane of v's lower half and the one above it in the upper half, widened and added. */
INLINE dvec d_halves(vec v)
{
#if IS_AVX512
    const __m256d upper = _mm512_extractf64x4_pd(_mm512_castps_pd(v), 1);
    return _mm512_cvtps_pd(_mm512_castps512_ps256(v)) + _mm512_cvtps_pd(_mm256_castpd_ps(upper));
#else
    half_vec halves[2];
    memcpy(halves, &v, sizeof v);
    return __builtin_convertvector(halves[0], dvec) + __builtin_convertvector(halves[1], dvec);
#endif
}

INLINE double d_sum(dvec v)
{
    double lane[DLANES];
    memcpy(lane, &v, sizeof v);
    for (int width = DLANES / 2; width > 0; width /= 2)
        for (int i = 0; i < width; i++)
            lane[i] += lane[i + width];
    return lane[0];
}

/* e^x to a relative 1e-11: far below a float's rounding. 0 below -709, inf above 709.4, NaN for NaN. As v_exp, with
 * the Taylor series to r^9 / 9! and one factor 2^n, whose exponent field becomes 0's or infinity's at the ends. */
INLINE dvec d_exp(dvec x)
{
    const double round_to_int = 6755399441055744.0; /* 1.5 * 2^52 */
    const double ln2_hi = 0x1.62e42feep-1, ln2_lo = 0x1.a39ef35793c76p-33;

    x = d_max(d_set(-1023 * ln2_hi), x);
    x = d_min(d_set(1024 * ln2_hi), x);

    const dvec shifted = d_fma(x, d_set(1.4426950408889634), d_set(round_to_int));
    const dvec n = shifted - round_to_int;
    dvec r = d_fma(n, d_set(-ln2_hi), x);
    r = d_fma(n, d_set(-ln2_lo), r);

    dvec e = d_set(1.0 / 362880);
    e = d_fma(e, r, d_set(1.0 / 40320));
    e = d_fma(e, r, d_set(1.0 / 5040));
    e = d_fma(e, r, d_set(1.0 / 720));
    e = d_fma(e, r, d_set(1.0 / 120));
    e = d_fma(e, r, d_set(1.0 / 24));
    e = d_fma(e, r, d_set(1.0 / 6));
    e = d_fma(e, r, d_set(0.5));
    e = d_fma(e, r, d_set(1.0));
    e = d_fma(e, r, d_set(1.0));

    const dbits biased = (dbits)shifted - (dbits)d_set(round_to_int) + 1023u;
    return e * (dvec)(biased << 52);
}

#endif
