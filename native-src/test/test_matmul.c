#include <math.h>
#include <stdio.h>

#include "packed.h"

static float *row(const struct tensor *t, int64_t index)
{
    return (float *)(void *)((char *)t->data + index * 4);
}

/* The sum for row t and column n; magnitude: the sum of its terms' magnitudes. */
static double sum_of(const struct tensor *x, const struct tensor *w, int32_t type, int64_t t, int64_t n, int64_t K,
                     double *magnitude)
{
    double sum = 0;
    *magnitude = 0;
    for (int64_t k = 0; k < K; k++) {
        const double term = (double)get(x, t * K + k) * weight_value(w, type, K, k, n);
        sum += term;
        *magnitude += fabs(term);
    }
    return sum;
}

/* Without bias and activation. */
static void product(int32_t level, const struct tensor *x, const struct isthmus_matrix *w, struct tensor *out,
                    int64_t t0, int64_t t1, int64_t n0, int64_t n1)
{
    const struct isthmus_epilogue epilogue = {out->data, NULL, ISTHMUS_ACT_NONE, ISTHMUS_STORE};
    isthmus_matmul(level, x->data, w, &epilogue, t0, t1, n0, n1);
}

static void multiplies(int32_t level, int32_t type, int64_t T, int64_t K, int64_t N, int shift)
{
    struct tensor x = tensor_random(T * K, (shift + 1) % 4), weights = tensor_random(K * N, 0);
    struct tensor w = matrix_packed(level, &weights, ISTHMUS_LAYOUT_IN_OUT, type, K, N, shift);
    const struct isthmus_matrix matrix = {w.data, K, N, type};
    struct tensor out = tensor_new(T * N, (shift + 2) % 4);
    product(level, &x, &matrix, &out, 0, T, 0, N);
    /* All elements of small products, a sample of large ones. */
    const int64_t step = 1 + T * N * K / 30000;
    double worst = 0;
    for (int64_t i = (T * N - 1) % step; i < T * N; i += step) { /* the last is among them */
        double magnitude;
        const double want = sum_of(&x, &w, type, i / N, i % N, K, &magnitude);
        worst = fmax(worst, fabs((double)get(&out, i) - want) / magnitude);
    }
    check(worst <= 0x1p-21 && guards_hold(&out), "%s at %s, T = %d, K = %d, N = %d: error %g of the terms' sum",
          TYPE_NAMES[type], level_name(level), (int)T, (int)K, (int)N, worst);

    /* Rows and panels split anywhere; each part leaves the others alone. */
    const int64_t t = random_below(T + 1), n = random_below((N + 63) / 64) * 64;
    struct tensor parts = tensor_new(T * N, shift);
    const float untouched = get(&parts, 0);
    product(level, &x, &matrix, &parts, t, T, n, N);
    int strays = 0;
    for (int64_t i = 0; i < T * N; i++)
        strays += (i / N < t || i % N < n) && get(&parts, i) != untouched;
    product(level, &x, &matrix, &parts, t, T, 0, n);
    for (int64_t i = 0; i < t * N; i++)
        strays += get(&parts, i) != untouched;
    product(level, &x, &matrix, &parts, 0, t, 0, n);
    for (int64_t i = 0; i < t * N; i++)
        strays += i % N >= n && get(&parts, i) != untouched;
    product(level, &x, &matrix, &parts, 0, t, n, N);
    check(strays == 0 && same_bits(&out, &parts) && guards_hold(&parts),
          "%s at %s, T = %d, K = %d, N = %d split at row %d, column %d: %d strays", TYPE_NAMES[type],
          level_name(level), (int)T, (int)K, (int)N, (int)t, (int)n, strays);

    struct tensor rows = tensor_new(T * N, shift);
    for (int64_t i = 0; i < T; i++) { /* alone in its tensor */
        struct tensor one_out = {row(&rows, i * N), N, 0, 0};
        const struct tensor one_x = {row(&x, i * K), K, 0, 0};
        product(level, &one_x, &matrix, &one_out, 0, 1, 0, N);
    }
    check(same_bits(&out, &rows) && guards_hold(&rows), "%s at %s, T = %d, K = %d, N = %d: row by row differs",
          TYPE_NAMES[type], level_name(level), (int)T, (int)K, (int)N);
    tensor_free(&x), tensor_free(&weights), tensor_free(&w), tensor_free(&out), tensor_free(&parts), tensor_free(&rows);
}

/* Blocks of sums keep the rounding error of a long product well below that of one chain of float32 additions. */
static void sums_better_than_one_chain(int32_t level)
{
    enum { K = 3072, N = 200 };
    struct tensor x = tensor_random(K, 0), weights = tensor_random(K * N, 0), out = tensor_new(N, 0);
    struct tensor w = matrix_packed(level, &weights, ISTHMUS_LAYOUT_IN_OUT, ISTHMUS_TYPE_F32, K, N, 0);
    const struct isthmus_matrix matrix = {w.data, K, N, ISTHMUS_TYPE_F32};
    product(level, &x, &matrix, &out, 0, 1, 0, N);
    double ours = 0, chain = 0;
    for (int64_t n = 0; n < N; n++) {
        double magnitude;
        const double want = sum_of(&x, &w, ISTHMUS_TYPE_F32, 0, n, K, &magnitude);
        float sum = 0;
        for (int64_t k = 0; k < K; k++)
            sum += get(&x, k) * get(&weights, k * N + n);
        ours += pow((double)get(&out, n) - want, 2);
        chain += pow((double)sum - want, 2);
    }
    printf("matmul at %s: root mean square error %.2f of one chain's\n", level_name(level), sqrt(ours / chain));
    check(sqrt(ours / chain) < 0.5, "%s: %g of one chain's error", level_name(level), sqrt(ours / chain));
    tensor_free(&x), tensor_free(&weights), tensor_free(&w), tensor_free(&out);
}

/* A number that is not finite shows in its row or column, and nowhere else. */
static void keeps_what_is_not_finite(int32_t level, int32_t type, int64_t T)
{
    enum { K = 130, N = 70 };
    struct tensor x = tensor_random(T * K, 0), weights = tensor_random(K * N, 0), out = tensor_new(T * N, 0);
    set(&weights, 129 * N + 69, NAN);
    set(&weights, 3 * N + 2, INFINITY);
    set(&x, (T - 1) * K + 128, -INFINITY);
    struct tensor w = matrix_packed(level, &weights, ISTHMUS_LAYOUT_IN_OUT, type, K, N, 0);
    const struct isthmus_matrix matrix = {w.data, K, N, type};
    product(level, &x, &matrix, &out, 0, T, 0, N);
    int wrong = 0;
    for (int64_t i = 0; i < T * N; i++) {
        double magnitude;
        const double want = sum_of(&x, &w, type, i / N, i % N, K, &magnitude);
        const double got = (double)get(&out, i);
        wrong += isnan(want) ? !isnan(got) : isinf(want) ? got != want : !isfinite(got);
    }
    check(wrong == 0, "%s at %s, T = %d: %d are wrong", TYPE_NAMES[type], level_name(level), (int)T, wrong);
    tensor_free(&x), tensor_free(&weights), tensor_free(&w), tensor_free(&out);
}

static void refuses(int32_t level)
{
    enum { T = 2, K = 3, N = 130, F32 = ISTHMUS_TYPE_F32 };
    struct tensor x = tensor_random(T * K, 0), w = matrix_new(F32, K, N, 0), out = tensor_random(T * N, 0);
    void *o = out.data;
#define CALL(x, w, type, bias, activation, store, o, K, N, ...)                    \
    REFUSES(out, ISTHMUS_INVALID,                                                  \
            isthmus_matmul(level, x, STRUCT(matrix, w, K, N, type),                \
                           STRUCT(epilogue, o, bias, activation, store), __VA_ARGS__))
    CALL(0, w.data, F32, 0, 0, 0, o, K, N, 0, T, 0, N);
    CALL(x.data, 0, F32, 0, 0, 0, o, K, N, 0, T, 0, N);
    CALL(x.data, w.data, F32, 0, 0, 0, 0, K, N, 0, T, 0, N);
    CALL(x.data, w.data, -1, 0, 0, 0, o, K, N, 0, T, 0, N);
    CALL(x.data, w.data, 5, 0, 0, 0, o, K, N, 0, T, 0, N);
    CALL(x.data, w.data, F32, 0, -1, 0, o, K, N, 0, T, 0, N);
    CALL(x.data, w.data, F32, 0, 4, 0, o, K, N, 0, T, 0, N);
    CALL(x.data, w.data, F32, 0, 0, -1, o, K, N, 0, T, 0, N);
    CALL(x.data, w.data, F32, 0, 0, 2, o, K, N, 0, T, 0, N);
    CALL(x.data, w.data, F32, 0, ISTHMUS_ACT_GELU_TANH, ISTHMUS_ADD, o, K, N, 0, T, 0, N);
    CALL(x.data, w.data, F32, 0, ISTHMUS_ACT_GELU_ERF, ISTHMUS_ADD, o, K, N, 0, T, 0, N);
    CALL(x.data, w.data, F32, 0, ISTHMUS_ACT_RELU, ISTHMUS_ADD, o, K, N, 0, T, 0, N);
    CALL(x.data, w.data, F32, 0, 0, 0, o, 0, N, 0, T, 0, N);
    CALL(x.data, w.data, F32, 0, 0, 0, o, -K, N, 0, T, 0, N);
    CALL(x.data, w.data, F32, 0, 0, 0, o, K, 0, 0, T, 0, 0);
    CALL(x.data, w.data, F32, 0, 0, 0, o, K, -N, 0, T, 0, 0);
    CALL(x.data, w.data, F32, 0, 0, 0, o, K, N, -1, T, 0, N);
    CALL(x.data, w.data, F32, 0, 0, 0, o, K, N, 2, 1, 0, N);
    CALL(x.data, w.data, F32, 0, 0, 0, o, K, N, 0, T, -64, N);
    CALL(x.data, w.data, F32, 0, 0, 0, o, K, N, 0, T, 128, 64);
    CALL(x.data, w.data, F32, 0, 0, 0, o, K, N, 0, T, 1, N);
    CALL(x.data, w.data, F32, 0, 0, 0, o, K, N, 0, T, 0, 65);
    CALL(x.data, w.data, F32, 0, 0, 0, o, K, N, 0, T, 0, N + 1);
    CALL(x.data, w.data, F32, 0, 0, 0, o, K, N, 0, T, 0, 192);
    CALL(x.data, w.data, F32, 0, 0, 0, o, INT64_MAX, N, 0, T, 0, N);
    CALL(x.data, w.data, F32, 0, 0, 0, o, INT64_MAX / 4, N, 0, T, 0, N);
    CALL(x.data, w.data, F32, 0, 0, 0, o, K, INT64_MAX, 0, T, 0, 64);
    CALL(x.data, w.data, F32, 0, 0, 0, o, K, INT64_MAX / 4, 0, T, 0, 64);
    CALL(x.data, w.data, F32, 0, 0, 0, o, K, N, 0, INT64_MAX, 0, N);
#undef CALL
    REFUSES(out, ISTHMUS_INVALID, isthmus_matmul(level, x.data, 0, STRUCT(epilogue, o, 0, 0, 0), 0, T, 0, N));
    REFUSES(out, ISTHMUS_INVALID, isthmus_matmul(level, x.data, STRUCT(matrix, w.data, K, N, F32), 0, 0, T, 0, N));
    tensor_free(&x), tensor_free(&w), tensor_free(&out);
}

TEST(matmul)
{
    static const int64_t widths[] = {1, 2, 3, 5, 15, 16, 17, 63, 64, 65, 127, 128, 129, 255, 256, 257};
    static const int64_t depths[] = {1, 3, 4, 5, 31, 32, 33, 43, 44, 86, 87, 127, 128, 129, 255, 256, 257, 512, 513};
    static const int64_t heights[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 96, 97, 100, 193};
    for (int l = 0; l < LEVELS_COUNT; l++) {
        for (int i = 0; i < COUNT(widths); i++)
            for (int j = 0; j < COUNT(depths); j++)
                multiplies(LEVELS[l], (i + j) % 3, 1 + (i * 7 + j) % 13, depths[j], widths[i], (i + j) % 4);
        for (int32_t type = ISTHMUS_TYPE_F32; type <= ISTHMUS_TYPE_BF16; type++) {
            for (int i = 0; i < COUNT(heights); i++)
                multiplies(LEVELS[l], type, heights[i], 130, 67, i % 4);
            multiplies(LEVELS[l], type, 1, 769, 769, 3);
            multiplies(LEVELS[l], type, 7, 3072, 65, 1);
            for (int64_t T = 1; T <= 25; T += 6)
                keeps_what_is_not_finite(LEVELS[l], type, T);
        }
        sums_better_than_one_chain(LEVELS[l]);
        refuses(LEVELS[l]);
    }
}
