/* Vectors of doubles, for sums and functions whose rounding must not be seen in a float result. */
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

/* The larger of each lane; b's where either is NaN. */
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

/* The smaller of each lane; b's where either is NaN. */
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

/*
 * 2^x to a relative 1e-10: far below a float's rounding. 0 below -1022.5, inf above 1023.5, NaN for NaN. As v_exp with
 * one factor 2^n, whose exponent field becomes 0's or infinity's at the ends. The polynomial interpolates 2^r at the 8
 * Chebyshev nodes of [-0.5, 0.5], computed with 60 digits.
 */
INLINE dvec d_exp2(dvec x)
{
    static const double P[] = {
        1.5303700711365693e-05, 0.00015469729214118296, 0.0013333478473685416, 0.009618025613318034,
        0.055504109063258665,   0.24022651213498092,    0.6931471805568324,    0.9999999999595618,
    };
    const double round_to_int = 6755399441055744.0; /* 1.5 * 2^52 */

    x = d_max(d_set(-1023.0), x);
    x = d_min(d_set(1024.0), x);

    const dvec shifted = x + round_to_int;
    const dvec r = x - (shifted - round_to_int);
    dvec e = d_set(P[0]);
    for (int i = 1; i < 8; i++)
        e = d_fma(e, r, d_set(P[i]));

    const dbits biased = (dbits)shifted - (dbits)d_set(round_to_int) + 1023u;
    return e * (dvec)(biased << 52);
}

#endif
