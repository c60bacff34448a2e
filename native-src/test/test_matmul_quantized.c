#include <math.h>

#include "packed.h"

/* The product of the quantized numbers: integers exactly, block by block, and the scales in double. */
static double sum_of(const struct tensor *rows, const struct tensor *w, int32_t type, int64_t K, int64_t t, int64_t n,
                     double *magnitude)
{
    const int64_t size = block_size(type);
    double sum = 0;
    *magnitude = 0;
    for (int64_t k0 = 0; k0 < K; k0 += size) {
        int64_t exact = 0;
        for (int64_t k = k0; k < K && k < k0 + size; k++)
            exact += (int64_t)input_quantum(rows, type, K, t, k).q * weight_quantum(w, type, K, k, n).q;
        const double term =
            (double)exact * input_quantum(rows, type, K, t, k0).scale * weight_quantum(w, type, K, k0, n).scale;
        sum += term;
        *magnitude += fabs(term);
    }
    return sum;
}

static void product(int32_t level, const struct tensor *rows, const struct isthmus_matrix *w, struct tensor *out,
                    int64_t t0, int64_t t1, int64_t n0, int64_t n1)
{
    const struct isthmus_epilogue epilogue = {out->data, NULL, ISTHMUS_ACT_NONE, ISTHMUS_STORE};
    isthmus_matmul(level, rows->data, w, &epilogue, t0, t1, n0, n1);
}

static void multiplies(int32_t level, int32_t type, int64_t T, int64_t K, int64_t N, int shift)
{
    struct tensor x = tensor_random(T * K, shift), weights = tensor_random(K * N, shift);
    struct tensor rows = rows_quantized(level, &x, type, T, K, (shift + 1) % 4);
    struct tensor w = matrix_packed(level, &weights, ISTHMUS_LAYOUT_IN_OUT, type, K, N, (shift + 2) % 4);
    const struct isthmus_matrix matrix = {w.data, K, N, type};
    struct tensor out = tensor_new(T * N, (shift + 3) % 4);
    product(level, &rows, &matrix, &out, 0, T, 0, N);
    const double blocks = (double)((K + block_size(type) - 1) / block_size(type));
    const int64_t step = 1 + T * N * K / 15000;
    double worst = 0;
    for (int64_t i = (T * N - 1) % step; i < T * N; i += step) {
        double magnitude;
        const double want = sum_of(&rows, &w, type, K, i / N, i % N, &magnitude);
        const double error = fabs((double)get(&out, i) - want);
        worst = fmax(worst, error > 0 ? error / magnitude : error == 0 ? 0 : INFINITY);
    }
    /* The scales' product, its product with the sum, and the addition are rounded once for each block. */
    check(worst <= (3 + sqrt(blocks)) * 0x1p-24 && guards_hold(&out),
          "%s at %s, T = %d, K = %d, N = %d: error %g of the blocks' sum", TYPE_NAMES[type], level_name(level), (int)T,
          (int)K, (int)N, worst);

    /* Rows and panels split anywhere; each part leaves the others alone. */
    const int64_t t = random_below(T + 1), n = random_below((N + 63) / 64) * 64;
    struct tensor parts = tensor_new(T * N, shift);
    const float untouched = get(&parts, 0);
    product(level, &rows, &matrix, &parts, t, T, 0, n);
    int strays = 0;
    for (int64_t i = 0; i < T * N; i++)
        strays += (i / N < t || i % N >= n) && get(&parts, i) != untouched;
    product(level, &rows, &matrix, &parts, t, T, n, N);
    for (int64_t i = 0; i < t * N; i++)
        strays += get(&parts, i) != untouched;
    for (int64_t i = 0; i < t; i++)
        product(level, &rows, &matrix, &parts, i, i + 1, 0, N);
    check(strays == 0 && same_bits(&out, &parts) && guards_hold(&parts),
          "%s at %s, T = %d, K = %d, N = %d split at row %d, column %d: %d strays", TYPE_NAMES[type],
          level_name(level), (int)T, (int)K, (int)N, (int)t, (int)n, strays);
    tensor_free(&x), tensor_free(&weights), tensor_free(&rows), tensor_free(&w), tensor_free(&out), tensor_free(&parts);
}

/* The largest integers there are: every term of every sum is of the same sign, and the sums are exact in a float. */
static void does_not_overflow(int32_t level, int32_t type, float input, float weight, double want)
{
    enum { T = 7, K = 4096, N = 64 };
    struct tensor x = tensor_new(T * K, 0), weights = tensor_new(K * N, 0), out = tensor_new(T * N, 0);
    for (int64_t i = 0; i < T * K; i++)
        set(&x, i, input);
    for (int64_t i = 0; i < K * N; i++)
        set(&weights, i, weight);
    struct tensor rows = rows_quantized(level, &x, type, T, K, 0);
    struct tensor w = matrix_packed(level, &weights, ISTHMUS_LAYOUT_IN_OUT, type, K, N, 0);
    const struct isthmus_matrix matrix = {w.data, K, N, type};
    product(level, &rows, &matrix, &out, 0, T, 0, N);
    int wrong = 0;
    for (int64_t i = 0; i < T * N; i++)
        wrong += (double)get(&out, i) != want;
    check(wrong == 0, "%s at %s, %g times %g: %.9g instead of %.9g", TYPE_NAMES[type], level_name(level), (double)input,
          (double)weight, (double)get(&out, 0), want);
    tensor_free(&x), tensor_free(&weights), tensor_free(&rows), tensor_free(&w), tensor_free(&out);
}

/* Any bytes that a row and a matrix can hold, up to the ends of their ranges. */
static void multiplies_extremes(int32_t level, int32_t type)
{
    enum { T = 13, K = 520, N = 128 };
    struct tensor x = tensor_random(T * K, 0), weights = tensor_random(K * N, 0), out = tensor_new(T * N, 0);
    for (int64_t i = 0; i < T * K; i++)
        set(&x, i, copysignf(1, get(&x, i)));
    for (int64_t i = 0; i < K * N; i++) /* multiples of scales that float16 has: -8 and 7, -127 and 127 */
        set(&weights, i, type == ISTHMUS_TYPE_Q4 ? get(&weights, i) < 0 ? -8.0f : 7.0f
                                                 : copysignf(127.0f / 16, get(&weights, i)));
    struct tensor rows = rows_quantized(level, &x, type, T, K, 0);
    struct tensor w = matrix_packed(level, &weights, ISTHMUS_LAYOUT_IN_OUT, type, K, N, 0);
    const struct isthmus_matrix matrix = {w.data, K, N, type};
    product(level, &rows, &matrix, &out, 0, T, 0, N);
    double worst = 0;
    for (int64_t i = 0; i < T * N; i++) {
        double want = 0;
        for (int64_t k = 0; k < K; k++)
            want += (double)get(&x, i / N * K + k) * (double)get(&weights, k * N + i % N);
        worst = fmax(worst, fabs((double)get(&out, i) - want));
    }
    check(worst <= 1e-3, "%s at %s: error %g", TYPE_NAMES[type], level_name(level), worst);
    tensor_free(&x), tensor_free(&weights), tensor_free(&rows), tensor_free(&w), tensor_free(&out);
}

/* A number that is not finite makes its row or column NaN, and no other. */
static void keeps_what_is_not_finite(int32_t level, int32_t type, float special)
{
    enum { T = 9, K = 300, N = 70 };
    struct tensor x = tensor_random(T * K, 0), weights = tensor_random(K * N, 0), out = tensor_new(T * N, 0);
    set(&x, 4 * K + 299, special);
    set(&weights, 7 * N + 66, special);
    struct tensor rows = rows_quantized(level, &x, type, T, K, 0);
    struct tensor w = matrix_packed(level, &weights, ISTHMUS_LAYOUT_IN_OUT, type, K, N, 0);
    const struct isthmus_matrix matrix = {w.data, K, N, type};
    product(level, &rows, &matrix, &out, 0, T, 0, N);
    int wrong = 0;
    for (int64_t i = 0; i < T * N; i++)
        wrong += i / N == 4 || i % N == 66 ? !isnan(get(&out, i)) : !isfinite(get(&out, i));
    check(wrong == 0, "%s at %s: %g is wrong in %d places", TYPE_NAMES[type], level_name(level), (double)special,
          wrong);
    tensor_free(&x), tensor_free(&weights), tensor_free(&rows), tensor_free(&w), tensor_free(&out);
}

/* Exact integers leave no room for levels to differ, but for the FMA that the baseline lacks. */
static void agrees_among_levels(int32_t type)
{
    enum { T = 8, K = 259, N = 65 };
    struct tensor x = tensor_random(T * K, 0), weights = tensor_random(K * N, 0);
    struct tensor rows = rows_quantized(LEVELS[0], &x, type, T, K, 0), first = tensor_new(T * N, 0);
    struct tensor w = matrix_packed(LEVELS[0], &weights, ISTHMUS_LAYOUT_IN_OUT, type, K, N, 0);
    const struct isthmus_matrix matrix = {w.data, K, N, type};
    for (int l = 0; l < LEVELS_COUNT; l++) {
        struct tensor other_rows = rows_quantized(LEVELS[l], &x, type, T, K, 0), out = tensor_new(T * N, 0);
        struct tensor other = matrix_packed(LEVELS[l], &weights, ISTHMUS_LAYOUT_IN_OUT, type, K, N, 0);
        check(same_bits(&rows, &other_rows) && same_bits(&w, &other), "%s: %s quantizes differently from %s",
              TYPE_NAMES[type], level_name(LEVELS[l]), level_name(LEVELS[0]));
        product(LEVELS[l], &rows, &matrix, l == 1 ? &first : &out, 0, T, 0, N);
        check(l < 2 || same_bits(&first, &out), "%s: %s multiplies differently from %s", TYPE_NAMES[type],
              level_name(LEVELS[l]), level_name(LEVELS[1]));
        tensor_free(&other_rows), tensor_free(&other), tensor_free(&out);
    }
    tensor_free(&x), tensor_free(&weights), tensor_free(&rows), tensor_free(&w), tensor_free(&first);
}

static void refuses(int32_t level, int32_t type)
{
    enum { T = 2, K = 33, N = 65 };
    struct tensor rows = rows_new(type, T, K, 0), w = matrix_new(type, K, N, 0), out = tensor_random(T * N, 0);
#define CALL(x, w, type, bias, activation, store, o, K, N, ...)                    \
    REFUSES(out, ISTHMUS_INVALID,                                                  \
            isthmus_matmul(level, x, STRUCT(matrix, w, K, N, type),                \
                           STRUCT(epilogue, o, bias, activation, store), __VA_ARGS__))
    CALL(0, w.data, type, 0, 0, 0, out.data, K, N, 0, T, 0, N);
    CALL(rows.data, w.data, type, 0, ISTHMUS_ACT_RELU, ISTHMUS_ADD, out.data, K, N, 0, T, 0, N);
    CALL(rows.data, w.data, type, 0, 0, 0, out.data, INT64_MAX, N, 0, T, 0, N);
    CALL(rows.data, w.data, type, 0, 0, 0, out.data, INT64_MAX / 17, 1, 0, 1, 0, 1);
    CALL(rows.data, w.data, type, 0, 0, 0, out.data, K, INT64_MAX / 16, 0, T, 0, 64);
    CALL(rows.data, w.data, type, 0, 0, 0, out.data, K, N, 0, INT64_MAX / 64, 0, N);
    CALL(rows.data, w.data, type, 0, 0, 0, out.data, K, N, 0, T, 32, N);
#undef CALL
    tensor_free(&rows), tensor_free(&w), tensor_free(&out);
}

TEST(matmul_quantized)
{
    static const int64_t widths[] = {1, 2, 3, 5, 15, 16, 17, 63, 64, 65, 127, 128, 129, 255, 256, 257};
    static const int64_t depths[] = {1, 3, 4, 5, 31, 32, 33, 61, 63, 64, 65, 127, 128, 129, 255, 256, 257, 512, 769};
    static const int64_t heights[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 96, 97, 100, 193};
    for (int32_t type = ISTHMUS_TYPE_INT8; type <= ISTHMUS_TYPE_Q4; type++) {
        agrees_among_levels(type);
        for (int l = 0; l < LEVELS_COUNT; l++) {
            for (int i = 0; i < COUNT(widths); i++)
                for (int j = (i + type) % 2; j < COUNT(depths); j += 2)
                    multiplies(LEVELS[l], type, 1 + (i * 7 + j) % 13, depths[j], widths[i], (i + j) % 4);
            for (int i = 0; i < COUNT(heights); i++)
                multiplies(LEVELS[l], type, heights[i], 130, 67, i % 4);
            multiplies(LEVELS[l], type, 1, 768, 769, 3);
            multiplies(LEVELS[l], type, 7, 4096, 65, 1);
            for (int signs = 0; signs < 4; signs++) { /* scales of 1: what is multiplied is what is given */
                const float input = signs & 1 ? -127 : 127, weight = type == ISTHMUS_TYPE_Q4 ? 8 : 127;
                does_not_overflow(LEVELS[l], type, input, signs & 2 ? -weight : weight,
                                  4096.0 * (double)input * (double)(signs & 2 ? -weight : weight));
            }
            multiplies_extremes(LEVELS[l], type);
            keeps_what_is_not_finite(LEVELS[l], type, NAN);
            keeps_what_is_not_finite(LEVELS[l], type, INFINITY);
            keeps_what_is_not_finite(LEVELS[l], type, -INFINITY);
            refuses(LEVELS[l], type);
        }
    }
}
