#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "packed.h"

/* Each block's largest value is 127 scales, the others are rounded to the nearest; the filling is zero; and a sum
 * begins with what the weights' offset of 128 or 8 will add, taken out. */
static void rounds_to_nearest(int32_t level, int32_t type, int64_t T, int64_t K, int shift)
{
    struct tensor x = tensor_random(T * K, shift);
    for (int64_t i = 0; i < T * K; i++)
        set(&x, i, get(&x, i) * ldexpf(1, (int)(i / 32 % 7)));
    struct tensor rows = rows_quantized(level, &x, type, T, K, (shift + 1) % 4);
    const int64_t size = block_size(type), blocks = (K + size - 1) / size;
    int64_t wrong = 0, wrong_starts = 0, filled = 0;
    for (int64_t t = 0; t < T; t++) {
        for (int64_t block = 0; block < blocks; block++) {
            const int64_t end = K < (block + 1) * size ? K : (block + 1) * size;
            double largest = 0;
            int32_t sum = 0;
            for (int64_t k = block * size; k < end; k++)
                largest = fmax(largest, fabs((double)get(&x, t * K + k)));
            for (int64_t k = block * size; k < end; k++) {
                const struct quantum input = input_quantum(&rows, type, K, t, k);
                sum += input.q;
                wrong += input.scale != (double)((float)largest / 127.0f) || abs(input.q) > 127 ||
                         fabs((double)get(&x, t * K + k) - input.q * input.scale) > input.scale * (0.5 + 1e-4);
            }
            wrong_starts += block_start_of(&rows, type, K, t, block) != sum * (type == ISTHMUS_TYPE_INT8 ? -128 : -8);
        }
        for (int64_t k = K; k < (K + 31) / 32 * 32; k++)
            filled += get_u8(&rows, t * isthmus_quantized_row_bytes(type, K) + k) != 0;
    }
    check(wrong == 0 && wrong_starts == 0 && filled == 0 && guards_hold(&rows),
          "%s at %s, K = %d: %d numbers, %d starts, %d filling bytes are wrong", TYPE_NAMES[type], level_name(level),
          (int)K, (int)wrong, (int)wrong_starts, (int)filled);

    struct tensor single = rows_new(type, T, K, shift), untouched = tensor_copy(&single);
    const int64_t row_bytes = isthmus_quantized_row_bytes(type, K);
    int strays = 0;
    for (int64_t t = T - 1; t >= 0; t--) {
        isthmus_quantize(level, x.data, type, single.data, K, t, t + 1);
        strays += memcmp((char *)single.data, (char *)untouched.data, (size_t)(t * row_bytes)) != 0;
    }
    check(strays == 0 && same_bits(&rows, &single) && guards_hold(&single), "%s at %s, K = %d: row by row differs",
          TYPE_NAMES[type], level_name(level), (int)K);
    tensor_free(&x), tensor_free(&rows), tensor_free(&single), tensor_free(&untouched);
}

/* A value that is special, in a row of ones, wherever it stands. */
static void handles(int32_t level, int32_t type, float special)
{
    enum { K = 40 };
    for (int64_t at = 0; at < K; at++) {
        struct tensor x = tensor_new(K, 0);
        for (int64_t k = 0; k < K; k++)
            set(&x, k, k == at ? special : 1);
        struct tensor rows = rows_quantized(level, &x, type, 1, K, 0);
        const double there = input_quantum(&rows, type, K, 0, at).scale;
        const double elsewhere = input_quantum(&rows, type, K, 0, at < 32 ? 39 : 0).scale;
        check(isnan(there) && (type == ISTHMUS_TYPE_INT8 ? isnan(elsewhere) : fabs(elsewhere - 1.0 / 127) < 1e-6),
              "%s at %s: %g at %d gives scales %g and %g", TYPE_NAMES[type], level_name(level), (double)special,
              (int)at, there, elsewhere);
        tensor_free(&x), tensor_free(&rows);
    }
}

/* A row in which all values are alike becomes `q` everywhere. */
static void turns_into(int32_t level, int32_t type, float value, int32_t q)
{
    enum { K = 300 };
    struct tensor x = tensor_new(K, 0);
    for (int64_t k = 0; k < K; k++)
        set(&x, k, value);
    struct tensor rows = rows_quantized(level, &x, type, 1, K, 0);
    int64_t wrong = 0;
    for (int64_t k = 0; k < K; k++) {
        const struct quantum input = input_quantum(&rows, type, K, 0, k);
        const double error = fabs(input.q * input.scale - (double)value);
        wrong += input.q != q || !(input.scale >= 0) || error > 1e-6 * fabs((double)value) + 0x1p-100;
    }
    check(wrong == 0, "%s at %s: %g is wrong %d times", TYPE_NAMES[type], level_name(level), (double)value, (int)wrong);
    tensor_free(&x), tensor_free(&rows);
}

static void says_how_large_a_row_is(void)
{
    static const int64_t sizes[][3] = {{1, 40, 40},     {31, 40, 40},    {32, 40, 40},    {33, 72, 80},
                                       {128, 136, 160}, {129, 176, 200}, {256, 272, 320}, {257, 312, 360},
                                       {768, 816, 960}, {769, 856, 1000}};
    for (int i = 0; i < COUNT(sizes); i++)
        check(isthmus_quantized_row_bytes(ISTHMUS_TYPE_INT8, sizes[i][0]) == sizes[i][1] &&
                  isthmus_quantized_row_bytes(ISTHMUS_TYPE_Q4, sizes[i][0]) == sizes[i][2],
              "K = %d", (int)sizes[i][0]);
    static const int64_t bad[][2] = {{-1, 4}, {0, 4}, {1, 4}, {2, 4}, {5, 4}, {3, 0}, {3, -1}, {4, 0},
                                     {3, INT64_MAX}, {4, INT64_MAX}};
    for (int i = 0; i < COUNT(bad); i++)
        check(isthmus_quantized_row_bytes((int32_t)bad[i][0], bad[i][1]) == ISTHMUS_INVALID,
              "type %d, K = %lld has a size", (int)bad[i][0], (long long)bad[i][1]);
}

static void refuses(int32_t level)
{
    enum { K = 33, T = 2 };
    struct tensor x = tensor_random(T * K, 0), rows = rows_new(ISTHMUS_TYPE_Q4, T, K, 0);
#define CALL(...) REFUSES(rows, ISTHMUS_INVALID, isthmus_quantize(level, __VA_ARGS__))
    CALL(0, ISTHMUS_TYPE_Q4, rows.data, K, 0, T);
    CALL(x.data, ISTHMUS_TYPE_Q4, 0, K, 0, T);
    CALL(x.data, -1, rows.data, K, 0, T);
    CALL(x.data, ISTHMUS_TYPE_F32, rows.data, K, 0, T);
    CALL(x.data, ISTHMUS_TYPE_F16, rows.data, K, 0, T);
    CALL(x.data, ISTHMUS_TYPE_BF16, rows.data, K, 0, T);
    CALL(x.data, 5, rows.data, K, 0, T);
    CALL(x.data, ISTHMUS_TYPE_Q4, rows.data, 0, 0, T);
    CALL(x.data, ISTHMUS_TYPE_Q4, rows.data, -K, 0, T);
    CALL(x.data, ISTHMUS_TYPE_Q4, rows.data, INT64_MAX, 0, 1);
    CALL(x.data, ISTHMUS_TYPE_Q4, rows.data, INT64_MAX / 8, 0, 3);
    CALL(x.data, ISTHMUS_TYPE_Q4, rows.data, K, -1, T);
    CALL(x.data, ISTHMUS_TYPE_Q4, rows.data, K, 2, 1);
    CALL(x.data, ISTHMUS_TYPE_INT8, rows.data, K, 0, INT64_MAX);
#undef CALL
    tensor_free(&x), tensor_free(&rows);
}

TEST(quantize)
{
    says_how_large_a_row_is();
    for (int l = 0; l < LEVELS_COUNT; l++) {
        for (int32_t type = ISTHMUS_TYPE_INT8; type <= ISTHMUS_TYPE_Q4; type++) {
            for (int i = 0; i < SIZES_COUNT; i++)
                rounds_to_nearest(LEVELS[l], type, 3, SIZES[i], i % 4);
            handles(LEVELS[l], type, NAN);
            handles(LEVELS[l], type, INFINITY);
            handles(LEVELS[l], type, -INFINITY);
            turns_into(LEVELS[l], type, 0.0f, 0);
            turns_into(LEVELS[l], type, -0.0f, 0);
            turns_into(LEVELS[l], type, 1e-45f, 0);
            turns_into(LEVELS[l], type, 0x1p-101f, 0);
            turns_into(LEVELS[l], type, 1e-20f, 127);
            turns_into(LEVELS[l], type, -3.0f, -127);
            turns_into(LEVELS[l], type, 3.4e38f, 127);
        }
        refuses(LEVELS[l]);
    }
}
