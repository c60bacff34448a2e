/* Activations as bytes, for products with quantised weights. */
#include <math.h>

#include "kernels.h"
#include "quantized.h"
#include "simd_narrow.h"

/* The largest magnitude, or NaN where there is a NaN. */
static float largest_magnitude(const f32 *x, int64_t count)
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
    const int32_t most = v_largest_int(largest);
    float magnitude;
    memcpy(&magnitude, &most, sizeof magnitude);
    return magnitude;
}

/* Adding 1.5 * 2^23 rounds to an integer, ties to even, and leaves it in the low bits; what is not finite gives some
 * byte or other, and a scale that makes every product with it NaN. */
INLINE vmask rounded(vec x)
{
    const vec shifted = x + 0x1.8p23f;
    return ((vmask)((vbits)shifted << 24)) >> 24;
}

static void quantize_block(const f32 *x, int64_t count, int8_t *bytes, struct row_block *block, int32_t offset)
{
    const float largest = largest_magnitude(x, count);
    /* What is so small that its inverse would overflow counts as zero. */
    const float inverse = largest > 0x1p-100f ? 127.0f / largest : 0.0f;
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
    block->scale = isfinite(largest) ? largest / 127.0f : NAN;
    block->start = -offset * v_sum_int(sum);
}

void KERNEL(quantize)(const f32 *restrict x, int32_t type, void *restrict q, int64_t K, int64_t t0, int64_t t1)
{
    const int64_t size = block_inputs(type), row_bytes = quantized_row_bytes(type, K);
    const int32_t offset = type == ISTHMUS_TYPE_INT8 ? 128 : 8;
    for (int64_t t = t0; t < t1; t++) {
        const f32 *row = x + t * K;
        char *to = (char *)q + t * row_bytes;
        struct row_block *blocks = (struct row_block *)(uintptr_t)row_blocks(to, K);
        for (int64_t k = 0; k < K; k += size)
            quantize_block(row + k, K - k < size ? K - k : size, (int8_t *)to + k, blocks + k / size, offset);
        memset(to + K, 0, (size_t)(rounded_up(K, ISTHMUS_Q4_BLOCK) - K));
    }
}
