#include <math.h>

#include "test.h"

static const double EPSILON = 1e-5;

/* outlier: the size of one channel where the others' is 1, as GPT-2 has them. */
static void normalises(int32_t level, int64_t C, int shift, float outlier)
{
    enum { T = 3 };
    struct tensor x = tensor_random(T * C, shift), weight = tensor_random(C, (shift + 1) % 4);
    struct tensor bias = tensor_random(C, (shift + 3) % 4), out = tensor_new(T * C, shift);
    for (int t = 0; t < T; t++)
        set(&x, t * C + random_below(C), outlier);

    const struct isthmus_norm norm = {weight.data, bias.data, C, EPSILON};
    isthmus_layer_norm(level, x.data, &norm, out.data, 0, T);
    double worst = 0;
    for (int64_t t = 0; t < T; t++) {
        double mean = 0, variance = 0;
        for (int64_t c = 0; c < C; c++)
            mean += (double)get(&x, t * C + c) / (double)C;
        for (int64_t c = 0; c < C; c++)
            variance += pow((double)get(&x, t * C + c) - mean, 2) / (double)C;
        for (int64_t c = 0; c < C; c++) {
            const double normal = ((double)get(&x, t * C + c) - mean) / sqrt(variance + EPSILON);
            const double scaled = normal * (double)get(&weight, c);
            const double want = scaled + (double)get(&bias, c);
            /* Half a unit for the final rounding, and double's own errors in terms that may cancel. */
            const double error = fabs((double)get(&out, t * C + c) - want) - 1e-12 * (fabs(scaled) + 1);
            worst = fmax(worst, error / fmax(fabs(want), 1e-30));
        }
    }
    check(worst <= 0x1p-24 && guards_hold(&out), "%s, C = %d: relative error %g", level_name(level), (int)C, worst);

    struct tensor rows = tensor_new(T * C, (shift + 1) % 4);
    for (int64_t t = 0; t < T; t++)
        isthmus_layer_norm(level, x.data, &norm, rows.data, t, t + 1);
    check(same_bits(&out, &rows) && guards_hold(&rows), "%s, C = %d: row by row differs", level_name(level), (int)C);

    isthmus_layer_norm(level, x.data, &norm, x.data, 0, T);
    check(same_bits(&out, &x) && guards_hold(&x), "%s, C = %d: in place differs", level_name(level), (int)C);
    tensor_free(&x), tensor_free(&weight), tensor_free(&bias), tensor_free(&out), tensor_free(&rows);
}

static void refuses(int32_t level)
{
    struct tensor x = tensor_random(8, 0), w = tensor_random(4, 0), out = tensor_random(8, 0);
#define CALL(x, weight, bias, out_data, C, epsilon, t0, t1) \
    REFUSES(out, ISTHMUS_INVALID,                           \
            isthmus_layer_norm(level, x, STRUCT(norm, weight, bias, C, epsilon), out_data, t0, t1))
    CALL(0, w.data, w.data, out.data, 4, EPSILON, 0, 2);
    CALL(x.data, 0, w.data, out.data, 4, EPSILON, 0, 2);
    CALL(x.data, w.data, 0, out.data, 4, EPSILON, 0, 2);
    CALL(x.data, w.data, w.data, 0, 4, EPSILON, 0, 2);
    CALL(x.data, w.data, w.data, out.data, 0, EPSILON, 0, 2);
    CALL(x.data, w.data, w.data, out.data, -4, EPSILON, 0, 2);
    CALL(x.data, w.data, w.data, out.data, 4, -EPSILON, 0, 2);
    CALL(x.data, w.data, w.data, out.data, 4, NAN, 0, 2);
    CALL(x.data, w.data, w.data, out.data, 4, INFINITY, 0, 2);
    CALL(x.data, w.data, w.data, out.data, 4, EPSILON, -1, 2);
    CALL(x.data, w.data, w.data, out.data, 4, EPSILON, 2, 1);
    CALL(x.data, w.data, w.data, out.data, INT64_MAX / 4, EPSILON, 0, 2);
#undef CALL
    REFUSES(out, ISTHMUS_INVALID, isthmus_layer_norm(level, x.data, 0, out.data, 0, 2));
    tensor_free(&x), tensor_free(&w), tensor_free(&out);
}

TEST(layer_norm)
{
    for (int l = 0; l < LEVELS_COUNT; l++) {
        for (int i = 0; i < SIZES_COUNT; i++) {
            normalises(LEVELS[l], SIZES[i], i % 4, 0.5f);
            normalises(LEVELS[l], SIZES[i], i % 4, 3000.0f);
        }
        refuses(LEVELS[l]);
    }
}
