#include <math.h>
#include <stdio.h>
#include <string.h>

#include "packed.h"

/* The epilogues of products. */

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

/* Every 16381st float there is, negative ones, denormals, infinities and NaNs included: the weights of a product with
 * a single input of 1, whose sums they are. */
static void is_accurate(int32_t level, int32_t kind)
{
    enum { BATCH = 4096 };
    struct tensor sums = tensor_new(BATCH, 0), w = matrix_new(ISTHMUS_TYPE_F32, 1, BATCH, 0);
    struct tensor out = tensor_new(BATCH, 0), one = tensor_new(1, 0);
    const struct isthmus_matrix matrix = {w.data, 1, BATCH, ISTHMUS_TYPE_F32};
    set(&one, 0, 1.0f);
    double worst = 0;
    float worst_at = 0;
    for (uint64_t next = 0; next <= UINT32_MAX;) {
        for (int i = 0; i < BATCH; i++, next += 16381)
            set(&sums, i, float_of_bits((uint32_t)next));
        isthmus_pack(level, sums.data, ISTHMUS_LAYOUT_IN_OUT, &matrix, 0, 1, 0, BATCH);
        isthmus_matmul(level, one.data, &matrix, STRUCT(epilogue, out.data, NULL, kind, ISTHMUS_STORE), 0, 1, 0, BATCH);
        for (int i = 0; i < BATCH; i++) {
            const double error = ulps(get(&out, i), activation(kind, (double)get(&sums, i)));
            if (error > worst) {
                worst = error;
                worst_at = get(&sums, i);
            }
        }
    }
    printf("%s at %s: at most %.3f ulp, at %.9g\n", NAMES[kind], level_name(level), worst, (double)worst_at);
    check(worst <= 0.51, "%s at %s: %.3f ulp at %.9g", NAMES[kind], level_name(level), worst, (double)worst_at);
    tensor_free(&sums), tensor_free(&w), tensor_free(&out), tensor_free(&one);
}

struct operands {
    int32_t level, type;
    int64_t T, K, N;
    struct tensor x, w, bias;
};

static struct operands operands_new(int32_t level, int32_t type, int64_t T, int64_t K, int64_t N, int shift)
{
    struct operands o = {level, type, T, K, N, tensor_random(T * K, shift), {0}, tensor_random(N, (shift + 1) % 4)};
    struct tensor weights = tensor_random(K * N, 0);
    o.w = matrix_packed(level, &weights, ISTHMUS_LAYOUT_IN_OUT, type, K, N, (shift + 2) % 4);
    if (type >= ISTHMUS_TYPE_INT8) {
        struct tensor rows = rows_quantized(level, &o.x, type, T, K, shift);
        tensor_free(&o.x);
        o.x = rows;
    }
    tensor_free(&weights);
    return o;
}

static void operands_free(struct operands *o)
{
    tensor_free(&o->x), tensor_free(&o->w), tensor_free(&o->bias);
}

static void product(const struct operands *o, int has_bias, int32_t kind, int32_t store, struct tensor *out, int64_t n0,
                    int64_t n1)
{
    const struct isthmus_matrix matrix = {o->w.data, o->K, o->N, o->type};
    const struct isthmus_epilogue epilogue = {out->data, has_bias ? o->bias.data : NULL, kind, store};
    isthmus_matmul(o->level, o->x.data, &matrix, &epilogue, 0, o->T, n0, n1);
}

/* Bias, activation and what is there already are added in double: one rounding more than the bare sums have. Only
 * gelu_tanh of rounded weights is in float: then within two ulps of what it is taken of. */
static void finishes(int32_t level, int32_t type, int32_t kind, int32_t store, int has_bias, int64_t N, int shift)
{
    struct operands o = operands_new(level, type, 1 + shift * 3, 37, N, shift);
    struct tensor sums = tensor_new(o.T * N, 0), residual = tensor_random(o.T * N, shift);
    product(&o, 0, ISTHMUS_ACT_NONE, ISTHMUS_STORE, &sums, 0, N);
    struct tensor out = tensor_copy(&residual);
    product(&o, has_bias, kind, store, &out, 0, N);
    const int in_float = type >= ISTHMUS_TYPE_INT8 && kind == ISTHMUS_ACT_GELU_TANH;
    double worst = 0;
    for (int64_t i = 0; i < o.T * N; i++) {
        const double sum = (double)get(&sums, i) + (has_bias ? (double)get(&o.bias, i % N) : 0);
        const double before = store == ISTHMUS_ADD ? (double)get(&residual, i) : 0;
        const double wanted = before + activation(kind, sum);
        worst = fmax(worst, in_float ? fabs((double)get(&out, i) - wanted) / (fabs(sum) * 0x1p-23) / 4
                                     : ulps(get(&out, i), wanted));
    }
    check(worst <= 0.51 && guards_hold(&out), "%s at %s, %s, store %d, bias %d, N = %d: %.3f ulp", TYPE_NAMES[type],
          level_name(level), NAMES[kind], store, has_bias, (int)N, worst);

    struct tensor parts = tensor_copy(&residual);
    for (int64_t n = (N - 1) / 64 * 64; n >= 0; n -= 64)
        product(&o, has_bias, kind, store, &parts, n, n + 64 < N ? n + 64 : N);
    check(same_bits(&out, &parts) && guards_hold(&parts), "%s at %s, %s, store %d, N = %d: panel by panel differs",
          TYPE_NAMES[type], level_name(level), NAMES[kind], store, (int)N);
    operands_free(&o);
    tensor_free(&sums), tensor_free(&residual), tensor_free(&out), tensor_free(&parts);
}

TEST(epilogue)
{
    for (int l = 0; l < LEVELS_COUNT; l++)
        for (int32_t kind = ISTHMUS_ACT_NONE; kind <= ISTHMUS_ACT_RELU; kind++) {
            is_accurate(LEVELS[l], kind);
            for (int i = 0; i < SIZES_COUNT; i++)
                for (int has_bias = 0; has_bias <= 1; has_bias++) {
                    finishes(LEVELS[l], i % 5, kind, ISTHMUS_STORE, has_bias, SIZES[i], i % 4);
                    if (kind == ISTHMUS_ACT_NONE)
                        finishes(LEVELS[l], i % 5, kind, ISTHMUS_ADD, has_bias, SIZES[i], i % 4);
                }
        }
}
