#include "packed.h"

#include <math.h>

const char *const TYPE_NAMES[] = {"F32", "F16", "BF16", "INT8", "Q4"};

/* A number of 16 bits with `digits` of significand after the point. */
static double value_of(uint16_t bits, int digits)
{
    const int exponents = 1 << (15 - digits), bias = exponents / 2 - 1;
    const int exponent = bits >> digits & (exponents - 1), significand = bits & ((1 << digits) - 1);
    double value;
    if (exponent == exponents - 1)
        value = significand ? NAN : INFINITY;
    else if (exponent == 0)
        value = ldexp(significand, 1 - bias - digits);
    else
        value = ldexp((1 << digits) + significand, exponent - bias - digits);
    return bits >> 15 ? -value : value;
}

static uint16_t nearest(float x, int digits)
{
    const int exponents = 1 << (15 - digits), bias = exponents / 2 - 1;
    const uint16_t sign = signbit(x) ? 0x8000 : 0, infinity = (uint16_t)((exponents - 1) << digits);
    if (isnan(x))
        return (uint16_t)(sign | infinity | 1 << (digits - 1));
    if (isinf(x))
        return sign | infinity;
    int exponent;
    frexp((double)x, &exponent); /* |x| < 2^exponent */
    if (exponent < 2 - bias || x == 0)
        exponent = 2 - bias;
    /* In units of the last place: exactly a double, rounded to even by rint. Units that become twice as many as fit
     * carry into the exponent, beyond the largest number into infinity. */
    const int units = (int)rint(ldexp(fabs((double)x), digits + 1 - exponent));
    return sign | (uint16_t)(((exponent + bias - 2) << digits) + units);
}

double half_value(uint16_t half)
{
    return value_of(half, 10);
}

double bfloat_value(uint16_t bfloat)
{
    return value_of(bfloat, 7);
}

uint16_t nearest_half(float x)
{
    return fabsf(x) >= 0x1p16f && !isnan(x) ? (signbit(x) ? 0xfc00 : 0x7c00) : nearest(x, 10);
}

uint16_t nearest_bfloat(float x)
{
    return nearest(x, 7);
}

int64_t block_size(int32_t type)
{
    return type == ISTHMUS_TYPE_INT8 ? 128 : 32;
}

struct tensor matrix_new(int32_t type, int64_t K, int64_t N, int shift)
{
    return tensor_new(isthmus_matrix_bytes(type, K, N) / 4, shift);
}

struct tensor matrix_packed(int32_t level, const struct tensor *weights, int32_t layout, int32_t type, int64_t K,
                            int64_t N, int shift)
{
    struct tensor matrix = matrix_new(type, K, N, shift);
    isthmus_pack(level, weights->data, layout, STRUCT(matrix, matrix.data, K, N, type), 0, K, 0, N);
    return matrix;
}

struct tensor rows_new(int32_t type, int64_t T, int64_t K, int shift)
{
    return tensor_new(T * isthmus_quantized_row_bytes(type, K) / 4, shift);
}

struct tensor rows_quantized(int32_t level, const struct tensor *x, int32_t type, int64_t T, int64_t K, int shift)
{
    struct tensor rows = rows_new(type, T, K, shift);
    isthmus_quantize(level, x->data, type, rows.data, K, 0, T);
    return rows;
}

struct quantum weight_quantum(const struct tensor *matrix, int32_t type, int64_t K, int64_t k, int64_t n)
{
    const int64_t panel = n / 64, c = n % 64;
    if (type == ISTHMUS_TYPE_INT8) {
        const int64_t blocks = (K + 127) / 128, block = k / 128, i = k % 128;
        const int64_t all_inputs = (K + 3) / 4 * 4;
        const int64_t inputs = block == blocks - 1 ? all_inputs - block * 128 : 128;
        const int64_t begin = panel * (all_inputs * 64 + blocks * 128) + block * (128 * 64 + 128);
        return (struct quantum){get_u8(matrix, begin + (i / 4 * 64 + c) * 4 + i % 4) - 128,
                                half_value(get_u16(matrix, begin + inputs * 64 + c * 2))};
    }
    const int64_t begin = (panel * ((K + 31) / 32) + k / 32) * 1152, i = k % 32;
    const uint8_t both = get_u8(matrix, begin + (i / 8 * 64 + c) * 4 + i % 4);
    return (struct quantum){(i % 8 < 4 ? both % 16 : both / 16) - 8,
                            half_value(get_u16(matrix, begin + 1024 + c * 2))};
}

double weight_value(const struct tensor *matrix, int32_t type, int64_t K, int64_t k, int64_t n)
{
    const int64_t element = (n / 64 * K + k) * 64 + n % 64;
    switch (type) {
    case ISTHMUS_TYPE_F32:
        return (double)get(matrix, element);
    case ISTHMUS_TYPE_F16:
        return half_value(get_u16(matrix, element * 2));
    case ISTHMUS_TYPE_BF16:
        return bfloat_value(get_u16(matrix, element * 2));
    default: {
        const struct quantum w = weight_quantum(matrix, type, K, k, n);
        return w.q * w.scale;
    }
    }
}

/* The byte where the numbers of a block of row t begin. */
static int64_t block_at(int32_t type, int64_t K, int64_t t, int64_t block)
{
    const int64_t size = block_size(type), inputs = (K + 31) / 32 * 32;
    return t * (inputs + (K + size - 1) / size * 8) + inputs + block * 8;
}

struct quantum input_quantum(const struct tensor *rows, int32_t type, int64_t K, int64_t t, int64_t k)
{
    const int64_t row = block_at(type, K, t, 0) - (K + 31) / 32 * 32;
    return (struct quantum){(int8_t)get_u8(rows, row + k),
                            (double)float_of_bits(get_u32(rows, block_at(type, K, t, k / block_size(type))))};
}

int32_t block_start_of(const struct tensor *rows, int32_t type, int64_t K, int64_t t, int64_t block)
{
    return (int32_t)get_u32(rows, block_at(type, K, t, block) + 4);
}
