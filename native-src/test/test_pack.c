#include <math.h>

#include "packed.h"

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The part [k0, k1) x [n0, n1) of weights [K, N] or the transposed, by itself. */
static struct tensor part_of(const struct tensor *weights, int32_t layout, int64_t K, int64_t N, int64_t k0, int64_t k1,
                             int64_t n0, int64_t n1)
{
    struct tensor part = tensor_new((k1 - k0) * (n1 - n0), 2);
    for (int64_t k = k0; k < k1; k++)
        for (int64_t n = n0; n < n1; n++)
            if (layout == ISTHMUS_LAYOUT_IN_OUT)
                set(&part, (k - k0) * (n1 - n0) + n - n0, get(weights, k * N + n));
            else
                set(&part, (n - n0) * (k1 - k0) + k - k0, get(weights, n * K + k));
    return part;
}

/* Every weight stands where isthmus.h says, rounded to the type; filling columns are zero. */
static void puts_weights_in_panels(int32_t level, int32_t type, int32_t layout, int64_t K, int64_t N, int shift)
{
    struct tensor weights = tensor_random(K * N, shift);
    struct tensor matrix = matrix_packed(level, &weights, layout, type, K, N, (shift + 1) % 4);
    int64_t wrong = 0;
    for (int64_t k = 0; k < K; k++)
        for (int64_t n = 0; n < (N + 63) / 64 * 64; n++) {
            const float weight = n >= N ? 0 : get(&weights, layout == ISTHMUS_LAYOUT_IN_OUT ? k * N + n : n * K + k);
            const double want = type == ISTHMUS_TYPE_F32   ? (double)weight
                                : type == ISTHMUS_TYPE_F16 ? half_value(nearest_half(weight))
                                                           : bfloat_value(nearest_bfloat(weight));
            wrong += weight_value(&matrix, type, K, k, n) != want;
        }
    check(wrong == 0 && guards_hold(&matrix), "%s at %s, layout %d, K = %d, N = %d: %d wrong", TYPE_NAMES[type],
          level_name(level), layout, (int)K, (int)N, (int)wrong);
    tensor_free(&weights), tensor_free(&matrix);
}

/* Packed in parts, one after another in any order, a matrix is the same; and a part touches only what is its own. */
static void packs_in_parts(int32_t level, int32_t type, int32_t layout, int64_t K, int64_t N)
{
    struct tensor weights = tensor_random(K * N, 1);
    struct tensor whole = matrix_packed(level, &weights, layout, type, K, N, 0);
    const int64_t depth = type == ISTHMUS_TYPE_INT8 ? 128 : type == ISTHMUS_TYPE_Q4 ? 96 : 37, width = 128;
    const int64_t k_parts = (K + depth - 1) / depth, n_parts = (N + width - 1) / width;
    struct tensor matrix = matrix_new(type, K, N, 3);
    const struct isthmus_matrix packed = {matrix.data, K, N, type};
    int64_t done = 0, strays = 0;
    for (int64_t part = k_parts * n_parts - 1; part >= 0; part--) { /* from the last to the first */
        const int64_t k0 = part % k_parts * depth, k1 = smaller(K, k0 + depth);
        const int64_t n0 = part / k_parts * width, n1 = smaller(N, n0 + width);
        struct tensor before = tensor_copy(&matrix), weights_part = part_of(&weights, layout, K, N, k0, k1, n0, n1);
        done += isthmus_pack(level, weights_part.data, layout, &packed, k0, k1, n0, n1) == ISTHMUS_OK;
        /* What changes, changes to what it is in the whole. */
        for (int64_t i = 0; i < matrix.size; i++)
            strays += get_u32(&matrix, i * 4) != get_u32(&before, i * 4) &&
                      get_u32(&matrix, i * 4) != get_u32(&whole, i * 4);
        tensor_free(&before), tensor_free(&weights_part);
    }
    check(done == k_parts * n_parts && strays == 0 && same_bits(&whole, &matrix) && guards_hold(&matrix),
          "%s at %s, layout %d, K = %d, N = %d in parts: %d strays", TYPE_NAMES[type], level_name(level), layout,
          (int)K, (int)N, (int)strays);

    struct tensor before = tensor_copy(&matrix);
    isthmus_pack(level, weights.data, layout, &packed, 0, 0, 0, N);
    isthmus_pack(level, weights.data, layout, &packed, 0, K, 64, 64);
    check(same_bits(&before, &matrix), "%s at %s: packing nothing writes", TYPE_NAMES[type], level_name(level));
    tensor_free(&weights), tensor_free(&whole), tensor_free(&matrix), tensor_free(&before);
}

static void says_how_large_a_matrix_is(void)
{
    /* Per panel; the last block of INT8 is filled up to four inputs, that of Q4 to 32. */
    static const int64_t sizes[][6] = {
        {1, 256, 128, 128, 4 * 64 + 128, 1152},
        {5, 5 * 256, 5 * 128, 5 * 128, 8 * 64 + 128, 1152},
        {33, 33 * 256, 33 * 128, 33 * 128, 36 * 64 + 128, 2 * 1152},
        {256, 256 * 256, 256 * 128, 256 * 128, 256 * 64 + 2 * 128, 8 * 1152},
        {769, 769 * 256, 769 * 128, 769 * 128, 772 * 64 + 7 * 128, 25 * 1152},
    };
    for (int i = 0; i < COUNT(sizes); i++)
        for (int32_t type = ISTHMUS_TYPE_F32; type <= ISTHMUS_TYPE_Q4; type++)
            for (int64_t panels = 1; panels <= 3; panels++)
                check(isthmus_matrix_bytes(type, sizes[i][0], panels * 64) == panels * sizes[i][1 + type] &&
                          isthmus_matrix_bytes(type, sizes[i][0], panels * 64 - 63) == panels * sizes[i][1 + type],
                      "%s, K = %d, %d panels", TYPE_NAMES[type], (int)sizes[i][0], (int)panels);
    static const int64_t bad[][3] = {
        {-1, 1, 1}, {5, 1, 1}, {0, 0, 1}, {0, -1, 1}, {0, 1, 0}, {0, 1, -1}, {0, INT64_MAX, 1}, {0, 1, INT64_MAX},
        {3, INT64_MAX, 1}, {4, INT64_MAX / 17, 1}, {0, INT64_MAX / 17, 1}, {3, INT64_MAX / 64, 1},
        {3, 1, INT64_MAX / 4}, {0, 1 << 30, (int64_t)1 << 31}, {0, INT64_MAX, INT64_MAX},
    };
    for (int i = 0; i < COUNT(bad); i++)
        check(isthmus_matrix_bytes((int32_t)bad[i][0], bad[i][1], bad[i][2]) == ISTHMUS_INVALID,
              "type %d, K = %lld, N = %lld has a size", (int)bad[i][0], (long long)bad[i][1], (long long)bad[i][2]);
}

static void refuses(int32_t level)
{
    enum { K = 300, N = 130 };
    struct tensor weights = tensor_random(K * N, 0), matrix = matrix_new(ISTHMUS_TYPE_F32, K, N, 0);
    void *to = matrix.data;
    const float *w = weights.data;
#define CALL(w, layout, type, to, K, N, ...) \
    REFUSES(matrix, ISTHMUS_INVALID, isthmus_pack(level, w, layout, STRUCT(matrix, to, K, N, type), __VA_ARGS__))
    CALL(0, 0, 0, to, K, N, 0, K, 0, N);
    CALL(w, 0, 0, 0, K, N, 0, K, 0, N);
    CALL(w, -1, 0, to, K, N, 0, K, 0, N);
    CALL(w, 2, 0, to, K, N, 0, K, 0, N);
    CALL(w, 0, -1, to, K, N, 0, K, 0, N);
    CALL(w, 0, 5, to, K, N, 0, K, 0, N);
    CALL(w, 0, 0, to, 0, N, 0, 0, 0, N);
    CALL(w, 0, 0, to, -K, N, 0, 0, 0, N);
    CALL(w, 0, 0, to, K, 0, 0, K, 0, 0);
    CALL(w, 0, 0, to, K, -N, 0, K, 0, 0);
    CALL(w, 0, 0, to, INT64_MAX, N, 0, K, 0, N);
    CALL(w, 0, 0, to, K, INT64_MAX, 0, K, 0, 64);
    CALL(w, 0, 0, to, K, N, -1, K, 0, N);
    CALL(w, 0, 0, to, K, N, 2, 1, 0, N);
    CALL(w, 0, 0, to, K, N, 0, K + 1, 0, N);
    CALL(w, 0, 0, to, K, N, 0, K, -64, N);
    CALL(w, 0, 0, to, K, N, 0, K, 128, 64);
    CALL(w, 0, 0, to, K, N, 0, K, 0, N + 1);
    CALL(w, 0, 0, to, K, N, 0, K, 0, 192);
    CALL(w, 0, 0, to, K, N, 0, K, 1, N);
    CALL(w, 0, 0, to, K, N, 0, K, 0, 63);
    CALL(w, 0, ISTHMUS_TYPE_INT8, to, K, N, 32, K, 0, N);
    CALL(w, 0, ISTHMUS_TYPE_INT8, to, K, N, 0, 255, 0, N);
    CALL(w, 0, ISTHMUS_TYPE_Q4, to, K, N, 16, K, 0, N);
    CALL(w, 0, ISTHMUS_TYPE_Q4, to, K, N, 0, 33, 0, N);
#undef CALL
    REFUSES(matrix, ISTHMUS_INVALID, isthmus_pack(level, w, 0, 0, 0, K, 0, N));
    tensor_free(&weights), tensor_free(&matrix);
}

TEST(pack)
{
    static const int64_t sizes[] = {1, 2, 3, 5, 16, 63, 64, 65, 127, 129, 255, 257, 513};
    says_how_large_a_matrix_is();
    for (int l = 0; l < LEVELS_COUNT; l++) {
        int shift = 0;
        for (int i = 0; i < COUNT(sizes); i++)
            for (int j = 0; j < COUNT(sizes); j++, shift++)
                puts_weights_in_panels(LEVELS[l], (i + j) % 3, shift % 2, sizes[i], sizes[j], shift % 4);
        for (int32_t type = ISTHMUS_TYPE_F32; type <= ISTHMUS_TYPE_Q4; type++)
            for (int32_t layout = ISTHMUS_LAYOUT_IN_OUT; layout <= ISTHMUS_LAYOUT_OUT_IN; layout++) {
                packs_in_parts(LEVELS[l], type, layout, 301, 200);
                packs_in_parts(LEVELS[l], type, layout, 515, 128);
            }
        refuses(LEVELS[l]);
    }
}
