#include <math.h>
#include <stdio.h>
#include <string.h>

#include "test.h"

static const char *const NAMES[] = {"none", "gelu_tanh", "gelu_erf", "relu"};

static double activation(int32_t kind, double x)
{
    switch (kind) {
    case ISTHMUS_ACT_GELU_TANH: { /* (1 + tanh u) / 2 without its cancellation */
        const double u = sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x);
        return x * (1 / (1 + exp(-2 * u)));
    }
    case ISTHMUS_ACT_GELU_ERF:
        return 0.5 * x * erfc(-x / sqrt(2));
    case ISTHMUS_ACT_RELU:
        return x < 0 ? 0 : x;
    default:
        return x;
    }
}

/* Every 16381st float there is, negative ones, denormals, infinities and NaNs included. */
static void is_accurate(int32_t level, int32_t kind)
{
    enum { BATCH = 4096 };
    struct tensor x = tensor_new(BATCH, 0);
    double worst = 0;
    float worst_at = 0;
    for (uint64_t next = 0; next <= UINT32_MAX;) {
        for (int i = 0; i < BATCH; i++, next += 16381) {
            const uint32_t bits = (uint32_t)next;
            memcpy(&x.data[i], &bits, 4);
        }
        const struct tensor in = tensor_copy(&x);
        isthmus_bias_activation(level, x.data, NULL, kind, 1, BATCH, 0, BATCH);
        for (int i = 0; i < BATCH; i++) {
            const double error = ulps(x.data[i], activation(kind, (double)in.data[i]));
            if (error > worst) {
                worst = error;
                worst_at = in.data[i];
            }
        }
        tensor_free((struct tensor *)&in);
    }
    printf("%s at %s: at most %.3f ulp, at %.9g\n", NAMES[kind], level_name(level), worst, (double)worst_at);
    check(worst <= 0.51, "%s at %s: %.3f ulp at %.9g", NAMES[kind], level_name(level), worst, (double)worst_at);
    tensor_free(&x);
}

static void adds_the_bias(int32_t level, int32_t kind, int64_t N, int shift, int has_bias)
{
    enum { T = 3 };
    struct tensor x = tensor_random(T * N, shift), bias = tensor_random(N, (shift + 1) % 4);
    const float *b = has_bias ? bias.data : NULL;
    struct tensor whole = tensor_copy(&x);
    isthmus_bias_activation(level, whole.data, b, kind, T, N, 0, N);
    double worst = 0;
    for (int64_t i = 0; i < T * N; i++) {
        const double sum = (double)get(&x, i) + (has_bias ? (double)get(&bias, i % N) : 0);
        worst = fmax(worst, ulps(get(&whole, i), activation(kind, sum)));
    }
    check(worst <= 0.51 && guards_hold(&whole), "%s at %s, N = %d: %.3f ulp", NAMES[kind], level_name(level), (int)N,
          worst);

    for (int64_t split = 0; split <= N; split += N > 70 ? 1 + random_below(40) : 1) {
        struct tensor parts = tensor_copy(&x);
        isthmus_bias_activation(level, parts.data, b, kind, T, N, 0, split);
        int untouched = 1;
        for (int64_t t = 0; t < T; t++)
            for (int64_t n = split; n < N; n++)
                untouched &= get(&parts, t * N + n) == get(&x, t * N + n);
        isthmus_bias_activation(level, parts.data, b, kind, T, N, split, N);
        check(untouched && same_bits(&whole, &parts) && guards_hold(&parts), "%s at %s, N = %d split at %d",
              NAMES[kind], level_name(level), (int)N, (int)split);
        tensor_free(&parts);
    }
    tensor_free(&x), tensor_free(&bias), tensor_free(&whole);
}

static void refuses(int32_t level)
{
    struct tensor x = tensor_random(8, 0), b = tensor_random(4, 0);
    REFUSES(x, ISTHMUS_INVALID, isthmus_bias_activation(level, 0, b.data, 0, 2, 4, 0, 4));
    REFUSES(x, ISTHMUS_INVALID, isthmus_bias_activation(level, x.data, b.data, -1, 2, 4, 0, 4));
    REFUSES(x, ISTHMUS_INVALID, isthmus_bias_activation(level, x.data, b.data, 4, 2, 4, 0, 4));
    REFUSES(x, ISTHMUS_INVALID, isthmus_bias_activation(level, x.data, b.data, 0, -1, 4, 0, 4));
    REFUSES(x, ISTHMUS_INVALID, isthmus_bias_activation(level, x.data, b.data, 0, 2, 4, 0, 5));
    REFUSES(x, ISTHMUS_INVALID, isthmus_bias_activation(level, x.data, b.data, 0, 2, 4, -1, 4));
    REFUSES(x, ISTHMUS_INVALID, isthmus_bias_activation(level, x.data, b.data, 0, 2, 4, 3, 2));
    REFUSES(x, ISTHMUS_INVALID, isthmus_bias_activation(level, x.data, b.data, 0, INT64_MAX / 2, 4, 0, 4));
    tensor_free(&x), tensor_free(&b);
}

void test_bias_activation(void)
{
    for (int l = 0; l < LEVELS_COUNT; l++) {
        for (int32_t kind = ISTHMUS_ACT_NONE; kind <= ISTHMUS_ACT_RELU; kind++) {
            is_accurate(LEVELS[l], kind);
            for (int i = 0; i < SIZES_COUNT; i++)
                adds_the_bias(LEVELS[l], kind, SIZES[i], i % 4, i % 3 != 0);
        }
        refuses(LEVELS[l]);
    }
}
