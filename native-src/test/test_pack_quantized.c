#include <math.h>
#include <stdlib.h>

#include "packed.h"

/* The largest magnitude of the weights [K, N] in column n that stand in input k's block. */
static double largest_of(const struct tensor *weights, int32_t type, int64_t K, int64_t N, int64_t k, int64_t n)
{
    const int64_t size = block_size(type), k0 = k / size * size;
    double largest = 0;
    for (int64_t i = k0; i < K && i < k0 + size; i++)
        largest = fmax(largest, fabs((double)get(weights, i * N + n)));
    return largest;
}

/* INT8: a column's largest weight of a block is about 127 scales; given the scale, each becomes the nearest of 255. */
static int is_nearest_int8(struct quantum w, double weight, double largest)
{
    const double wanted = fmin(127, fmax(-127, weight / w.scale));
    return w.scale == half_value(nearest_half((float)largest / 127.0f)) && abs(w.q) <= 127 &&
           fabs(wanted - w.q) <= 0.5 + 1e-4;
}

/* Q4: the scale may be any near the largest weight's eighth; given it, each weight becomes the nearest of 16. */
static int is_nearest_q4(struct quantum w, double weight, double largest)
{
    const double wanted = fmin(7, fmax(-8, weight / w.scale));
    return fabs(w.scale) >= largest / 8.1 && fabs(w.scale) <= largest / 5.9 && -8 <= w.q && w.q <= 7 &&
           fabs(wanted - w.q) <= 0.5 + 1e-4;
}

static void rounds_to_nearest(int32_t level, int32_t type, int64_t K, int64_t N, int shift)
{
    struct tensor weights = tensor_random(K * N, shift);
    for (int64_t i = 0; i < K * N; i++) /* columns and blocks of different sizes */
        set(&weights, i, get(&weights, i) * ldexpf(1, (int)(i % N % 5 + i / N / 32 % 3)));
    struct tensor matrix = matrix_packed(level, &weights, ISTHMUS_LAYOUT_IN_OUT, type, K, N, (shift + 1) % 4);
    int64_t wrong = 0;
    for (int64_t k = 0; k < K; k++)
        for (int64_t n = 0; n < N; n++) {
            const struct quantum w = weight_quantum(&matrix, type, K, k, n);
            const double weight = (double)get(&weights, k * N + n), largest = largest_of(&weights, type, K, N, k, n);
            wrong += !(type == ISTHMUS_TYPE_INT8 ? is_nearest_int8 : is_nearest_q4)(w, weight, largest);
        }
    check(wrong == 0 && guards_hold(&matrix), "%s at %s, K = %d, N = %d: %d wrong", TYPE_NAMES[type], level_name(level),
          (int)K, (int)N, (int)wrong);

    const int64_t depth = type == ISTHMUS_TYPE_INT8 ? (K + 3) / 4 * 4 : (K + 31) / 32 * 32;
    int64_t filled = 0;
    for (int64_t k = 0; k < depth; k++)
        for (int64_t n = 0; n < (N + 63) / 64 * 64; n++)
            if (k >= K || n >= N)
                filled += weight_quantum(&matrix, type, K, k, n).q != 0 ||
                          (n >= N && weight_quantum(&matrix, type, K, k, n).scale != 0);
    check(filled == 0, "%s at %s, K = %d, N = %d: %d of the filling are not zero", TYPE_NAMES[type], level_name(level),
          (int)K, (int)N, (int)filled);

    struct tensor transposed = tensor_new(K * N, (shift + 2) % 4);
    for (int64_t i = 0; i < K * N; i++)
        set(&transposed, i % N * K + i / N, get(&weights, i));
    struct tensor other = matrix_packed(level, &transposed, ISTHMUS_LAYOUT_OUT_IN, type, K, N, shift);
    check(same_bits(&matrix, &other), "%s at %s, K = %d, N = %d: the transposed differs", TYPE_NAMES[type],
          level_name(level), (int)K, (int)N);
    tensor_free(&weights), tensor_free(&matrix), tensor_free(&transposed), tensor_free(&other);
}

/* Searching for Q4's scale leaves less error than taking the one that makes the largest weight -8. */
static void q4_searches_for_its_scale(int32_t level)
{
    enum { K = 320, N = 64 };
    struct tensor weights = tensor_random(K * N, 0);
    struct tensor matrix = matrix_packed(level, &weights, ISTHMUS_LAYOUT_IN_OUT, ISTHMUS_TYPE_Q4, K, N, 0);
    double ours = 0, plain = 0;
    for (int64_t i = 0; i < K * N; i++) {
        const double weight = (double)get(&weights, i);
        const double largest = largest_of(&weights, ISTHMUS_TYPE_Q4, K, N, i / N, i % N);
        double scale = 0; /* that makes the largest -8 */
        for (int64_t k = i / N / 32 * 32; k < i / N / 32 * 32 + 32; k++)
            if (fabs((double)get(&weights, k * N + i % N)) == largest)
                scale = (double)get(&weights, k * N + i % N) / -8;
        plain += pow(weight - scale * fmin(7, fmax(-8, rint(weight / scale))), 2);
    }
    check(ours < 0.95 * plain, "%s: squared error %.4g of the plain scale's", level_name(level), ours / plain);
    tensor_free(&weights), tensor_free(&matrix);
}

/* A matrix of one column in which all weights are 1 but the third, packed; its scale and its third weight. */
static struct quantum packs(int32_t level, int32_t type, float others, float third)
{
    enum { K = 20 };
    struct tensor weights = tensor_new(K, 0);
    for (int64_t k = 0; k < K; k++)
        set(&weights, k, k == 2 ? third : others);
    struct tensor matrix = matrix_packed(level, &weights, ISTHMUS_LAYOUT_OUT_IN, type, K, 1, 0);
    const struct quantum w = weight_quantum(&matrix, type, K, 2, 0);
    tensor_free(&weights), tensor_free(&matrix);
    return w;
}

static void has_no_scale_for_what_is_not_finite(int32_t level, int32_t type)
{
    static const float odd[] = {NAN, INFINITY, -INFINITY};
    for (int i = 0; i < COUNT(odd); i++) {
        check(isnan(packs(level, type, 1, odd[i]).scale), "%s at %s: %g has a scale", TYPE_NAMES[type],
              level_name(level), (double)odd[i]);
        check(isnan(packs(level, type, odd[i], 1).scale), "%s at %s: many %g have a scale", TYPE_NAMES[type],
              level_name(level), (double)odd[i]);
        check(isnan(packs(level, type, NAN, odd[i]).scale), "%s at %s: NaN and %g have a scale", TYPE_NAMES[type],
              level_name(level), (double)odd[i]);
    }
}

static void keeps_zeros_and_small_weights(int32_t level, int32_t type)
{
    static const float small[] = {0.0f, -0.0f, 1e-45f, -1e-45f, 1e-38f, 0x1p-100f, 0x1p-120f};
    for (int i = 0; i < COUNT(small); i++) {
        const struct quantum w = packs(level, type, small[i], small[i]);
        check(fabs(w.q * w.scale - (double)small[i]) <= 0x1p-100, "%s at %s: %g became %d * %g", TYPE_NAMES[type],
              level_name(level), (double)small[i], (int)w.q, w.scale);
    }
}

/* Weights that float16 scales can still reach, and those beyond, which must not turn into zeros in silence. */
static void keeps_large_weights(int32_t level)
{
    static const float sizes[] = {1e3f, 65504.0f, -65504.0f, 3e5f, -3e5f, 5.2e5f, -5.2e5f};
    for (int i = 0; i < COUNT(sizes); i++) {
        const struct quantum w = packs(level, ISTHMUS_TYPE_Q4, 1, sizes[i]);
        check(fabs(w.q * w.scale / (double)sizes[i] - 1) < 0.13, "Q4 at %s: %g became %d * %g", level_name(level),
              (double)sizes[i], (int)w.q, w.scale);
    }
    static const float too_large[] = {6e5f, -6e5f, 1e20f, 3e38f, -3e38f};
    for (int i = 0; i < COUNT(too_large); i++) {
        const struct quantum w = packs(level, ISTHMUS_TYPE_Q4, 1, too_large[i]);
        check(isnan(w.scale), "Q4 at %s: %g became %d * %g", level_name(level), (double)too_large[i], (int)w.q,
              w.scale);
    }
    const struct quantum w = packs(level, ISTHMUS_TYPE_INT8, 1, -8e6f);
    check(w.q == -127 && fabs(w.scale / (8e6 / 127) - 1) < 1e-3, "INT8 at %s: -8e6 became %d * %g", level_name(level),
          (int)w.q, w.scale);
    const struct quantum beyond = packs(level, ISTHMUS_TYPE_INT8, 1, -9e6f);
    check(isnan(beyond.scale), "INT8 at %s: -9e6 became %d * %g", level_name(level), (int)beyond.q, beyond.scale);
}

/* Scales that binary16 holds with few bits: no weight is off by more than twice a 254th of the largest. */
static void rounds_small_int8_scales_up(int32_t level)
{
    for (int i = 0; i < 200; i++) {
        const float largest = 127 * ldexpf(1 + (float)i / 200, -24 + i % 9);
        const struct quantum w = packs(level, ISTHMUS_TYPE_INT8, largest * 0.37f, -largest);
        check(w.q >= -127 && fabs(w.q * w.scale + (double)largest) <= (double)largest / 127,
              "INT8 at %s: %g became %d * %g", level_name(level), -(double)largest, (int)w.q, w.scale);
    }
}

TEST(pack_quantized)
{
    static const int64_t widths[] = {1, 3, 16, 63, 64, 65, 129};
    static const int64_t depths[] = {1, 2, 3, 4, 5, 31, 32, 33, 61, 63, 64, 65, 127, 128, 255, 256, 257, 259, 513, 769};
    for (int l = 0; l < LEVELS_COUNT; l++) {
        for (int32_t type = ISTHMUS_TYPE_INT8; type <= ISTHMUS_TYPE_Q4; type++) {
            for (int i = 0; i < COUNT(depths); i++)
                rounds_to_nearest(LEVELS[l], type, depths[i], widths[i % COUNT(widths)], i % 4);
            has_no_scale_for_what_is_not_finite(LEVELS[l], type);
            keeps_zeros_and_small_weights(LEVELS[l], type);
        }
        q4_searches_for_its_scale(LEVELS[l]);
        rounds_small_int8_scales_up(LEVELS[l]);
        keeps_large_weights(LEVELS[l]);
    }
}
