#include <math.h>
#include <stdlib.h>

#include "packed.h"

enum { HALVES = 1 << 16 };

static double sixteen_bits(int32_t type, int bits)
{
    return type == ISTHMUS_TYPE_F16 ? half_value((uint16_t)bits) : bfloat_value((uint16_t)bits);
}

/* Each number of the type, and the floats at, just above and just below the middle between it and the next larger in
 * magnitude: every place where rounding changes. */
static struct tensor probes_of(int32_t type)
{
    struct tensor probes = tensor_new(4 * HALVES, 1);
    for (int i = 0; i < HALVES; i++) {
        const float here = (float)sixteen_bits(type, i), next = (float)sixteen_bits(type, (i & 0x7fff) + 1);
        /* Beyond the largest number rounding goes on as if there were another exponent. */
        const float step = isinf(next) ? fabsf(here) - (float)fabs(sixteen_bits(type, i - 1)) : next - fabsf(here);
        const float middle = copysignf(fabsf(here) + step / 2, here);
        set(&probes, 4 * i, here);
        set(&probes, 4 * i + 1, middle);
        set(&probes, 4 * i + 2, nextafterf(middle, 0.0f));
        set(&probes, 4 * i + 3, nextafterf(middle, copysignf(INFINITY, here)));
    }
    return probes;
}

static int is_nearest(int32_t type, float x, uint16_t got)
{
    const uint16_t want = type == ISTHMUS_TYPE_F16 ? nearest_half(x) : nearest_bfloat(x);
    return isnan(x) ? isnan(sixteen_bits(type, got)) : got == want;
}

static void packing_rounds_to_nearest_even(int32_t level, int32_t type)
{
    struct tensor probes = probes_of(type);
    struct tensor matrix = matrix_packed(level, &probes, ISTHMUS_LAYOUT_IN_OUT, type, probes.size / 64, 64, 3);
    for (int64_t i = 0; i < probes.size; i++)
        check(is_nearest(type, get(&probes, i), get_u16(&matrix, i * 2)), "%s at %s: %.9g became %04x",
              TYPE_NAMES[type], level_name(level), (double)get(&probes, i), get_u16(&matrix, i * 2));
    tensor_free(&probes), tensor_free(&matrix);
}

/* The cache of half precision: keys [D, 64] and values [64, D] of one head. */
static void the_cache_rounds_to_nearest_even(int32_t level)
{
    enum { D = 2048, T = 64 };
    struct tensor probes = probes_of(ISTHMUS_TYPE_F16), qkv = tensor_new(T * 3 * D, 2), block = tensor_new(T * D, 1);
    int32_t positions[T], sequences[T] = {0};
    const uint64_t blocks[] = {(uint64_t)(uintptr_t)block.data};
    const int64_t start[] = {0};
    for (int64_t t = 0; t < T; t++) {
        positions[t] = (int32_t)t;
        for (int64_t d = 0; d < 2 * D; d++)
            set(&qkv, t * 3 * D + D + d, get(&probes, t * 2 * D + d));
    }
    isthmus_append_kv(level, qkv.data, STRUCT(rows, 0, positions, sequences),
                      STRUCT(kv, blocks, start, 0, 1, D, ISTHMUS_TYPE_F16), 0, T);
    for (int64_t i = 0; i < T * 2 * D; i++) {
        const int64_t t = i / (2 * D), d = i % (2 * D), at = d < D ? d * 64 + t : T * D + t * D + d - D;
        check(is_nearest(ISTHMUS_TYPE_F16, get(&probes, i), get_u16(&block, at * 2)), "cache at %s: %.9g became %04x",
              level_name(level), (double)get(&probes, i), get_u16(&block, at * 2));
    }
    tensor_free(&probes), tensor_free(&qkv), tensor_free(&block);
}

/* A product with a single input of 1, a few rows at once or one, gives the weights themselves. */
static void products_widen_exactly(int32_t level, int32_t type, int64_t T)
{
    struct tensor matrix = matrix_new(type, 1, HALVES, 1), x = tensor_new(T, 0), out = tensor_new(T * HALVES, 0);
    for (int i = 0; i < HALVES; i++)
        set_u16(&matrix, i * 2, (uint16_t)i);
    for (int64_t t = 0; t < T; t++)
        set(&x, t, 1.0f);
    isthmus_matmul(level, x.data, STRUCT(matrix, matrix.data, 1, HALVES, type),
                   STRUCT(epilogue, out.data, NULL, ISTHMUS_ACT_NONE, ISTHMUS_STORE), 0, T, 0, HALVES);
    for (int64_t i = 0; i < T * HALVES; i++)
        check(close_to(get(&out, i), sixteen_bits(type, (int)(i % HALVES)), 0), "%s at %s, %d rows: %04x became %.9g",
              TYPE_NAMES[type], level_name(level), (int)T, (int)(i % HALVES), (double)get(&out, i));
    tensor_free(&matrix), tensor_free(&x), tensor_free(&out);
}

static void embeddings_widen_exactly(int32_t level, int32_t type)
{
    struct tensor matrix = matrix_new(type, 1, HALVES, 3), wpe = tensor_new(1, 0), x = tensor_new(HALVES, 0);
    int32_t *tokens = malloc(HALVES * sizeof *tokens), *positions = calloc(HALVES, sizeof *positions);
    for (int i = 0; i < HALVES; i++) {
        set_u16(&matrix, i * 2, (uint16_t)i);
        tokens[i] = i;
    }
    set(&wpe, 0, 0.0f);
    isthmus_embedding(level, STRUCT(matrix, matrix.data, 1, HALVES, type), wpe.data, 1,
                      STRUCT(rows, tokens, positions, 0), x.data, 0, HALVES);
    for (int i = 0; i < HALVES; i++)
        check(close_to(get(&x, i), sixteen_bits(type, i), 0), "%s embedding at %s: %04x became %.9g", TYPE_NAMES[type],
              level_name(level), i, (double)get(&x, i));
    free(tokens), free(positions);
    tensor_free(&matrix), tensor_free(&wpe), tensor_free(&x);
}

/* All 65536 numbers of 16 bits, denormals, infinities and NaNs too. */
TEST(halves)
{
    for (int l = 0; l < LEVELS_COUNT; l++) {
        for (int32_t type = ISTHMUS_TYPE_F16; type <= ISTHMUS_TYPE_BF16; type++) {
            packing_rounds_to_nearest_even(LEVELS[l], type);
            products_widen_exactly(LEVELS[l], type, 1);
            products_widen_exactly(LEVELS[l], type, 7);
            embeddings_widen_exactly(LEVELS[l], type);
        }
        the_cache_rounds_to_nearest_even(LEVELS[l]);
    }
}
