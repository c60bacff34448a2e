/* Numbers of 16 and 8 bits: half precision, widened to float, and dot products of bytes. */
#ifndef ISTHMUS_SIMD_NARROW_H
#define ISTHMUS_SIMD_NARROW_H

#include "simd.h"

/* ---- half precision ---- */

/* LANES binary16 numbers, widened exactly. Without an instruction for it: the bits moved to a float's places are the
 * number times 2^-112, denormals included; infinities and NaNs get a float's largest exponent. */
INLINE vec v_load_f16(const u16 *p)
{
#if IS_AVX512
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
#elif LEVEL == ISTHMUS_LEVEL_AVX2
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
#else
    vbits bits;
    for (int i = 0; i < LANES; i++)
        bits[i] = p[i];
    const vec number = (vec)((bits & 0x7fff) << 13) * 0x1p112f;
    const vbits magnitude = (vbits)number | ((vbits)((bits & 0x7c00) == 0x7c00) & 0x7f800000u);
    return (vec)(magnitude | (bits & 0x8000) << 16);
#endif
}

/* LANES bfloat16 numbers: the upper halves of floats. */
INLINE vec v_load_bf16(const u16 *p)
{
#if IS_AVX512
    return (vec)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)p)), 16);
#elif LEVEL == ISTHMUS_LEVEL_AVX2
    return (vec)_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)), 16);
#else
    vbits bits;
    for (int i = 0; i < LANES; i++)
        bits[i] = (uint32_t)p[i] << 16;
    return (vec)bits;
#endif
}

/* Rounds to the nearest binary16, ties to even; NaN stays NaN. Scaling by 2^-112 rounds what becomes a denormal where
 * a float's denormals are rounded, and adding half a unit (less one for ties to even) rounds the rest. */
INLINE uint16_t f16_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    const uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000)
        return (uint16_t)(sign | 0x7e00);
    if (magnitude >= 0x477ff000) /* 65520: half way to 2^16 and beyond */
        return (uint16_t)(sign | 0x7c00);
    if (magnitude < 0x38800000) { /* below 2^-14: in units of 2^-24, rounded by adding 1.5 * 2^23 of them */
        float unit;
        memcpy(&unit, &magnitude, sizeof unit);
        unit = unit * 0x1p24f + 0x1.8p23f;
        uint32_t rounded;
        memcpy(&rounded, &unit, sizeof rounded);
        return (uint16_t)(sign | (rounded & 0xffff));
    }
    return (uint16_t)(sign | (magnitude + 0xfff + (magnitude >> 13 & 1) - 0x38000000) >> 13);
}

INLINE float f16_value(uint16_t half)
{
    const uint32_t magnitude = (uint32_t)(half & 0x7fff) << 13, sign = (uint32_t)(half & 0x8000) << 16;
    float number;
    memcpy(&number, &magnitude, sizeof number);
    number *= 0x1p112f;
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    bits |= sign | ((half & 0x7c00) == 0x7c00 ? 0x7f800000u : 0);
    memcpy(&number, &bits, sizeof number);
    return number;
}

INLINE float bf16_value(uint16_t upper)
{
    const uint32_t bits = (uint32_t)upper << 16;
    float number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

INLINE uint16_t bf16_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if ((bits & 0x7fffffff) > 0x7f800000)
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* LANES floats, rounded to the nearest binary16. */
INLINE void v_store_f16(u16 *p, vec v)
{
#if IS_AVX512
    _mm256_storeu_si256((__m256i *)(void *)p, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
#elif LEVEL == ISTHMUS_LEVEL_AVX2
    _mm_storeu_si128((__m128i *)(void *)p, _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
#else
    for (int i = 0; i < LANES; i++)
        p[i] = f16_of(v[i]);
#endif
}

/* ---- bytes ---- */

INLINE vbytes b_load(const uint8_t *p)
{
    vbytes v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* The upper four bits of each byte. */
INLINE vbytes b_high_halves(vbytes v)
{
    return (vbytes)((vbits)v >> 4) & 15;
}

/* The four signed bytes at p in every lane. */
INLINE vmask b_set4(const int8_t *p)
{
    int32_t four;
    memcpy(&four, p, sizeof four);
    return four - (vmask){0};
}

/* The lowest bytes of LANES integers. */
INLINE void b_store_ints(int8_t *p, vmask v)
{
#if IS_AVX512
    _mm_storeu_si128((__m128i *)(void *)p, _mm512_cvtepi32_epi8((__m512i)v));
#else
    for (int i = 0; i < LANES; i++)
        p[i] = (int8_t)v[i];
#endif
}

/* sum[i] + the products of lane i's four unsigned bytes of a with its four signed bytes of b. */
INLINE vmask b_dot(vmask sum, vbytes a, vmask b)
{
#if LEVEL == ISTHMUS_LEVEL_VNNI
    return (vmask)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)a, (__m512i)b);
#elif IS_AVX512
    /* In 16-bit pairs, even bytes and odd ones: a product of bytes and the sum of two such pairs are exact. */
    const __m512i even = _mm512_madd_epi16(_mm512_and_si512((__m512i)a, _mm512_set1_epi16(0xff)),
                                           _mm512_srai_epi16(_mm512_slli_epi16((__m512i)b, 8), 8));
    const __m512i odd = _mm512_madd_epi16(_mm512_srli_epi16((__m512i)a, 8), _mm512_srai_epi16((__m512i)b, 8));
    return sum + (vmask)even + (vmask)odd;
#elif LEVEL == ISTHMUS_LEVEL_AVX2
    const __m256i even = _mm256_madd_epi16(_mm256_and_si256((__m256i)a, _mm256_set1_epi16(0xff)),
                                           _mm256_srai_epi16(_mm256_slli_epi16((__m256i)b, 8), 8));
    const __m256i odd = _mm256_madd_epi16(_mm256_srli_epi16((__m256i)a, 8), _mm256_srai_epi16((__m256i)b, 8));
    return sum + (vmask)even + (vmask)odd;
#else
    for (int j = 0; j < 4; j++)
        sum += (vmask)((vbits)a >> (8 * j) & 0xff) * ((vmask)((vbits)b << (24 - 8 * j)) >> 24);
    return sum;
#endif
}

INLINE vec v_of_ints(vmask v)
{
    return __builtin_convertvector(v, vec);
}

#endif
