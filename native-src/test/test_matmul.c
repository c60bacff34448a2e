#include <math.h>
#include <stdio.h>

#include "test.h"

static double product(const struct tensor *x, const struct tensor *w, int32_t layout, int64_t t, int64_t n, int64_t K,
                      int64_t N, double *magnitude)
{
    double sum = 0;
    *magnitude = 0;
    for (int64_t k = 0; k < K; k++) {
        const int64_t weight = layout == ISTHMUS_LAYOUT_IN_OUT ? k * N + n : n * K + k;
        const double term = (double)get(x, t * K + k) * (double)get(w, weight);
        sum += term;
        *magnitude += fabs(term);
    }
    return sum;
}

static void multiplies(int32_t level, int32_t layout, int64_t T, int64_t K, int64_t N, int shift)
{
    struct tensor x = tensor_random(T * K, (shift + 1) % 4), w = tensor_random(K * N, shift);
    struct tensor out = tensor_new(T * N, (shift + 2) % 4);
    isthmus_matmul(level, x.data, w.data, out.data, layout, T, K, N, 0, N);
    /* All elements of small products, a sample of large ones. */
    const int64_t step = 1 + T * N * K / 200000;
    double worst = 0;
    for (int64_t i = 0; i < T * N; i += step) {
        double magnitude;
        const double want = product(&x, &w, layout, i / N, i % N, K, N, &magnitude);
        worst = fmax(worst, fabs((double)get(&out, i) - want) / magnitude);
    }
    check(worst <= 0x1p-22 && guards_hold(&out), "%s, layout %d, T = %d, K = %d, N = %d: error %g of the terms' sum",
          level_name(level), layout, (int)T, (int)K, (int)N, worst);

    for (int64_t split = 0; split <= N; split += 1 + random_below(N < 70 && K < 70 ? 2 : 1 + N / 3)) {
        struct tensor parts = tensor_new(T * N, shift);
        const struct tensor before = tensor_copy(&parts);
        isthmus_matmul(level, x.data, w.data, parts.data, layout, T, K, N, split, N);
        int untouched = 1;
        for (int64_t t = 0; t < T; t++)
            for (int64_t n = 0; n < split; n++)
                untouched &= get(&parts, t * N + n) == get(&before, t * N + n);
        isthmus_matmul(level, x.data, w.data, parts.data, layout, T, K, N, 0, split);
        check(untouched && same_bits(&out, &parts) && guards_hold(&parts),
              "%s, layout %d, T = %d, K = %d, N = %d split at %d", level_name(level), layout, (int)T, (int)K, (int)N,
              (int)split);
        tensor_free(&parts), tensor_free((struct tensor *)&before);
    }

    struct tensor rows = tensor_new(T * N, shift);
    for (int64_t t = 0; t < T; t++)
        isthmus_matmul(level, (float *)(void *)((char *)x.data + t * K * 4), w.data,
                       (float *)(void *)((char *)rows.data + t * N * 4), layout, 1, K, N, 0, N);
    check(same_bits(&out, &rows), "%s, layout %d, T = %d, K = %d, N = %d: row by row differs", level_name(level),
          layout, (int)T, (int)K, (int)N);
    tensor_free(&x), tensor_free(&w), tensor_free(&out), tensor_free(&rows);
}

/* Blocks of sums keep the rounding error of a long product well below that of one chain of float32 additions. */
static void sums_better_than_one_chain(int32_t level, int32_t layout)
{
    enum { K = 3072, N = 200 };
    struct tensor x = tensor_random(K, 0), w = tensor_random(K * N, 0), out = tensor_new(N, 0);
    isthmus_matmul(level, x.data, w.data, out.data, layout, 1, K, N, 0, N);
    double ours = 0, chain = 0;
    for (int64_t n = 0; n < N; n++) {
        double magnitude;
        const double want = product(&x, &w, layout, 0, n, K, N, &magnitude);
        float sum = 0;
        for (int64_t k = 0; k < K; k++)
            sum += get(&x, k) * get(&w, layout == ISTHMUS_LAYOUT_IN_OUT ? k * N + n : n * K + k);
        ours += pow((double)get(&out, n) - want, 2);
        chain += pow((double)sum - want, 2);
    }
    printf("matmul, layout %d at %s: root mean square error %.2f of one chain's\n", layout, level_name(level),
           sqrt(ours / chain));
    check(sqrt(ours / chain) < 0.5, "%s, layout %d: %g of one chain's error", level_name(level), layout,
          sqrt(ours / chain));
    tensor_free(&x), tensor_free(&w), tensor_free(&out);
}

static void refuses(int32_t level)
{
    enum { T = 2, K = 3, N = 4 };
    struct tensor x = tensor_random(T * K, 0), w = tensor_random(K * N, 0), out = tensor_random(T * N, 0);
#define CALL(...) REFUSES(out, ISTHMUS_INVALID, isthmus_matmul(level, __VA_ARGS__))
    CALL(0, w.data, out.data, 0, T, K, N, 0, N);
    CALL(x.data, 0, out.data, 0, T, K, N, 0, N);
    CALL(x.data, w.data, 0, 0, T, K, N, 0, N);
    CALL(x.data, w.data, out.data, -1, T, K, N, 0, N);
    CALL(x.data, w.data, out.data, 2, T, K, N, 0, N);
    CALL(x.data, w.data, out.data, 0, -1, K, N, 0, N);
    CALL(x.data, w.data, out.data, 0, ISTHMUS_MATMUL_MAX_ROWS + 1, K, N, 0, N);
    CALL(x.data, w.data, out.data, 0, T, 0, N, 0, N);
    CALL(x.data, w.data, out.data, 0, T, -K, N, 0, N);
    CALL(x.data, w.data, out.data, 0, T, K, -N, 0, 0);
    CALL(x.data, w.data, out.data, 0, T, K, N, -1, N);
    CALL(x.data, w.data, out.data, 0, T, K, N, 0, N + 1);
    CALL(x.data, w.data, out.data, 0, T, K, N, 3, 2);
    CALL(x.data, w.data, out.data, 0, T, INT64_MAX / 4, N, 0, N);
    CALL(x.data, w.data, out.data, 0, T, K, INT64_MAX / 4, 0, N);
#undef CALL
    tensor_free(&x), tensor_free(&w), tensor_free(&out);
}

void test_matmul(void)
{
    static const int64_t widths[] = {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 127, 129, 144, 257};
    static const int64_t depths[] = {1, 3, 16, 17, 63, 64, 65, 130, 1025};
    for (int l = 0; l < LEVELS_COUNT; l++)
        for (int32_t layout = ISTHMUS_LAYOUT_IN_OUT; layout <= ISTHMUS_LAYOUT_OUT_IN; layout++) {
            int shift = 0;
            for (int i = 0; i < COUNT(widths); i++)
                for (int j = 0; j < COUNT(depths); j++, shift++)
                    multiplies(LEVELS[l], layout, 1 + shift % ISTHMUS_MATMUL_MAX_ROWS, depths[j], widths[i], shift % 4);
            for (int64_t T = 1; T <= ISTHMUS_MATMUL_MAX_ROWS; T++)
                multiplies(LEVELS[l], layout, T, 100, 130, (int)T % 4);
            sums_better_than_one_chain(LEVELS[l], layout);
            multiplies(LEVELS[l], layout, 1, 768, 2304, 3);
            multiplies(LEVELS[l], layout, 5, 3072, 769, 1);
        }
    for (int l = 0; l < LEVELS_COUNT; l++)
        refuses(LEVELS[l]);
}
