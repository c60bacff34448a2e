/* Layouts of quantized weights and activations, as isthmus.h describes them, and rounding of floats to bytes. */
#ifndef ISTHMUS_QUANTIZED_H
#define ISTHMUS_QUANTIZED_H

#include <math.h>

#include "kernels.h"
#include "simd_narrow.h"

enum {
    Q4_BLOCK_BYTES = ISTHMUS_Q4_BLOCK / 2 * ISTHMUS_PANEL + ISTHMUS_PANEL * 2,
};

/* Follows a row's bytes, one for each block of inputs: the bytes' scale, and where integer sums begin. Rows lie at any
 * address. */
struct row_block {
    float scale;
    int32_t start;
} __attribute__((packed));

static inline int64_t block_inputs(int32_t type)
{
    switch (type) {
    case ISTHMUS_TYPE_INT8:
        return ISTHMUS_INT8_BLOCK;
    case ISTHMUS_TYPE_Q4:
        return ISTHMUS_Q4_BLOCK;
    default:
        return 1;
    }
}

/* The bytes of one panel of K inputs. */
static inline int64_t panel_bytes(int32_t type, int64_t K)
{
    const int64_t blocks = rounded_up(K, block_inputs(type)) / block_inputs(type);
    switch (type) {
    case ISTHMUS_TYPE_F32:
        return K * ISTHMUS_PANEL * 4;
    case ISTHMUS_TYPE_INT8:
        return rounded_up(K, 4) * ISTHMUS_PANEL + blocks * ISTHMUS_PANEL * 2;
    case ISTHMUS_TYPE_Q4:
        return blocks * Q4_BLOCK_BYTES;
    default:
        return K * ISTHMUS_PANEL * 2;
    }
}

static inline int64_t quantized_row_bytes(int32_t type, int64_t K)
{
    const int64_t blocks = rounded_up(K, block_inputs(type)) / block_inputs(type);
    return rounded_up(K, ISTHMUS_Q4_BLOCK) + blocks * (int64_t)sizeof(struct row_block);
}

/* The blocks of the row of K inputs that begins at q. */
static inline const struct row_block *row_blocks(const char *q, int64_t K)
{
    return (const struct row_block *)(const void *)(q + rounded_up(K, ISTHMUS_Q4_BLOCK));
}

/* The largest magnitude, or NaN where there is a NaN. */
INLINE float largest_magnitude(const f32 *x, int64_t count)
{
    vmask largest = {0};
    int64_t i = 0;
    /* As integers, the bits of magnitudes are ordered as the numbers are, and NaN's are above all. */
    for (; i < count; i += LANES) {
        const vec v = count - i < LANES ? v_load_part(x + i, count - i) : v_load(x + i);
        const vmask bits = (vmask)v & 0x7fffffff;
        const vmask greater = bits > largest;
        largest = (bits & greater) | (largest & ~greater);
    }
    const int32_t bits = v_largest_int(largest);
    float magnitude;
    memcpy(&magnitude, &bits, sizeof magnitude);
    return magnitude;
}

/* The nearest integer, ties to even, in the low 22 bits: adding 1.5 * 2^23 leaves it there. Where x is not
 * finite the integer is arbitrary, and its scale makes every product with it NaN. */
INLINE vmask nearest_ints(vec x)
{
    return (vmask)(x + 0x1.8p23f);
}

/* The same as a signed byte. */
INLINE vmask rounded(vec x)
{
    return ((vmask)((vbits)nearest_ints(x) << 24)) >> 24;
}

/* The factor that scales numbers up to `largest` to integers up to `max`; zero where it would overflow. */
INLINE float inverse_scale(float largest, float max)
{
    return largest > 0x1p-100f ? max / largest : 0.0f;
}

/* bytes[i] = round(x[i] / scale), |byte| <= 127; sums of products with bytes that have the offset begin at start. */
INLINE struct row_block round_to_bytes(const f32 *x, int64_t count, int8_t *bytes, int32_t offset)
{
    const float largest = largest_magnitude(x, count);
    const float inverse = inverse_scale(largest, 127.0f);
    vmask sum = {0};
    int64_t i = 0;
    for (; i < count; i += LANES) {
        const int64_t part = count - i < LANES ? count - i : LANES;
        const vmask q = rounded((part < LANES ? v_load_part(x + i, part) : v_load(x + i)) * inverse);
        sum += q;
        if (part == LANES)
            b_store_ints(bytes + i, q);
        else
            for (int64_t lane = 0; lane < part; lane++)
                bytes[i + lane] = (int8_t)q[lane];
    }
    return (struct row_block){isfinite(largest) ? largest / 127.0f : NAN, -offset * v_sum_int(sum)};
}

#endif
