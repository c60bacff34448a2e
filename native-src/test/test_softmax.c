#include <math.h>

#include "test.h"

enum { T = 3 };

static void is_softmax(int32_t level, int64_t N, int shift, float spread)
{
    struct tensor x = tensor_random(T * N, shift);
    for (int64_t i = 0; i < T * N; i++)
        set(&x, i, get(&x, i) * spread);
    struct tensor out = tensor_copy(&x);
    isthmus_softmax(level, out.data, N, 0, T);

    double worst = 0, sums = 0;
    for (int64_t t = 0; t < T; t++) {
        double maximum = -INFINITY, sum = 0;
        for (int64_t n = 0; n < N; n++)
            maximum = fmax(maximum, (double)get(&x, t * N + n));
        /* The subtraction is float32's: its rounding is the input's, not the kernel's. */
        for (int64_t n = 0; n < N; n++)
            sum += exp((double)(get(&x, t * N + n) - (float)maximum));
        for (int64_t n = 0; n < N; n++) {
            const double want = exp((double)(get(&x, t * N + n) - (float)maximum)) / sum;
            worst = fmax(worst, ulps(get(&out, t * N + n), want));
            sums += (double)get(&out, t * N + n) / T;
        }
    }
    check(worst <= 3 && fabs(sums - 1) < 1e-6 && guards_hold(&out), "%s, N = %d: %.3f ulp, sum %.9g", level_name(level),
          (int)N, worst, sums);

    for (int64_t t = T - 1; t >= 0; t--)
        isthmus_softmax(level, x.data, N, t, t + 1);
    check(same_bits(&out, &x) && guards_hold(&x), "%s, N = %d: row by row differs", level_name(level), (int)N);
    tensor_free(&x), tensor_free(&out);
}

/* A row in which one value is special, wherever it stands. */
static void handles(int32_t level, float special, double want_there, double want_elsewhere)
{
    enum { N = 37 };
    for (int64_t at = 0; at < N; at++) {
        struct tensor x = tensor_new(N, 0);
        for (int64_t n = 0; n < N; n++)
            set(&x, n, n == at ? special : 1.5f);
        isthmus_softmax(level, x.data, N, 0, 1);
        int right = 1;
        for (int64_t n = 0; n < N; n++)
            right &= close_to(get(&x, n), n == at ? want_there : want_elsewhere, 1e-7);
        check(right, "%s: %g at %d", level_name(level), (double)special, (int)at);
        tensor_free(&x);
    }
}

static void refuses(int32_t level)
{
    struct tensor x = tensor_random(8, 0);
    REFUSES(x, ISTHMUS_INVALID, isthmus_softmax(level, 0, 4, 0, 2));
    REFUSES(x, ISTHMUS_INVALID, isthmus_softmax(level, x.data, 0, 0, 2));
    REFUSES(x, ISTHMUS_INVALID, isthmus_softmax(level, x.data, -4, 0, 2));
    REFUSES(x, ISTHMUS_INVALID, isthmus_softmax(level, x.data, 4, -1, 2));
    REFUSES(x, ISTHMUS_INVALID, isthmus_softmax(level, x.data, 4, 2, 1));
    REFUSES(x, ISTHMUS_INVALID, isthmus_softmax(level, x.data, INT64_MAX / 4, 0, 2));
    tensor_free(&x);
}

TEST(softmax)
{
    for (int l = 0; l < LEVELS_COUNT; l++) {
        for (int i = 0; i < SIZES_COUNT; i++) {
            is_softmax(LEVELS[l], SIZES[i], i % 4, 1.0f);
            is_softmax(LEVELS[l], SIZES[i], i % 4, 60.0f);
        }
        is_softmax(LEVELS[l], 50257, 3, 20.0f);
        handles(LEVELS[l], -INFINITY, 0, 1.0 / 36);
        handles(LEVELS[l], 1000, 1, 0);
        handles(LEVELS[l], INFINITY, NAN, NAN);
        handles(LEVELS[l], NAN, NAN, NAN);
        refuses(LEVELS[l]);
    }
}
