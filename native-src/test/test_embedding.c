#include "packed.h"

static void sums_rows(int32_t level, int32_t type, int64_t C, int shift)
{
    enum { V = 131, P = 5, T = 9 };
    struct tensor weights = tensor_random(V * C, 0), wpe = tensor_random(P * C, (shift + 1) % 4);
    struct tensor wte = matrix_packed(level, &weights, ISTHMUS_LAYOUT_OUT_IN, type, C, V, shift);
    struct tensor x = tensor_new(T * C, (shift + 2) % 4), untouched = tensor_copy(&x);
    int32_t tokens[T] = {V - 1, 0, 63, 64, 127}, positions[T] = {P - 1};
    for (int t = 1; t < T; t++) {
        tokens[t] = t < 5 ? tokens[t] : (int32_t)random_below(V);
        positions[t] = (int32_t)random_below(P);
    }
    const struct isthmus_matrix matrix = {wte.data, C, V, type};
    const struct isthmus_rows rows = {tokens, positions, 0};

    isthmus_embedding(level, &matrix, wpe.data, P, &rows, x.data, 2, 5);
    int right = 1;
    for (int64_t i = 0; i < T * C; i++)
        if (i < 2 * C || i >= 5 * C)
            right &= get(&x, i) == get(&untouched, i);
    check(right && guards_hold(&x), "%s at %s, C = %d: rows [2, 5) touch others", TYPE_NAMES[type], level_name(level),
          (int)C);

    isthmus_embedding(level, &matrix, wpe.data, P, &rows, x.data, 0, 2);
    isthmus_embedding(level, &matrix, wpe.data, P, &rows, x.data, 5, T);
    right = 1;
    for (int64_t i = 0; i < T * C; i++) { /* a weight is a float, and so is its sum */
        const float weight = (float)weight_value(&wte, type, C, i % C, tokens[i / C]);
        right &= get(&x, i) == weight + get(&wpe, positions[i / C] * C + i % C);
    }
    check(right && guards_hold(&x), "%s at %s, C = %d", TYPE_NAMES[type], level_name(level), (int)C);
    tensor_free(&weights), tensor_free(&wte), tensor_free(&wpe), tensor_free(&x), tensor_free(&untouched);
}

static void refuses(int32_t level)
{
    enum { V = 3, P = 2, C = 4, T32 = ISTHMUS_TYPE_F32 };
    struct tensor wte = matrix_new(T32, C, V, 0), wpe = tensor_random(P * C, 0), x = tensor_random(2 * C, 0);
    const int32_t tokens[] = {2, 0}, positions[] = {0, 1}, negative[] = {0, -1};
#define CALL(wte, type, wpe, tokens, positions, x_data, V, P, C, t0, t1)                                            \
    REFUSES(x, ISTHMUS_INVALID,                                                                                     \
            isthmus_embedding(level, STRUCT(matrix, wte, C, V, type), wpe, P, STRUCT(rows, tokens, positions, 0),   \
                              x_data, t0, t1))
    CALL(0, T32, wpe.data, tokens, positions, x.data, V, P, C, 0, 2);
    CALL(wte.data, -1, wpe.data, tokens, positions, x.data, V, P, C, 0, 2);
    CALL(wte.data, 5, wpe.data, tokens, positions, x.data, V, P, C, 0, 2);
    CALL(wte.data, T32, 0, tokens, positions, x.data, V, P, C, 0, 2);
    CALL(wte.data, T32, wpe.data, 0, positions, x.data, V, P, C, 0, 2);
    CALL(wte.data, T32, wpe.data, tokens, 0, x.data, V, P, C, 0, 2);
    CALL(wte.data, T32, wpe.data, tokens, positions, 0, V, P, C, 0, 2);
    CALL(wte.data, T32, wpe.data, tokens, positions, x.data, V - 1, P, C, 0, 2);
    CALL(wte.data, T32, wpe.data, tokens, positions, x.data, V, P - 1, C, 0, 2);
    CALL(wte.data, T32, wpe.data, tokens, positions, x.data, 0, P, C, 0, 0);
    CALL(wte.data, T32, wpe.data, tokens, positions, x.data, -1, P, C, 0, 2);
    CALL(wte.data, T32, wpe.data, tokens, positions, x.data, V, -1, C, 0, 0);
    CALL(wte.data, T32, wpe.data, tokens, positions, x.data, V, P, 0, 0, 2);
    CALL(wte.data, T32, wpe.data, tokens, positions, x.data, V, P, C, -1, 2);
    CALL(wte.data, T32, wpe.data, tokens, positions, x.data, V, P, C, 2, 1);
    CALL(wte.data, T32, wpe.data, tokens, positions, x.data, V, P, INT64_MAX / 2, 0, 1);
    CALL(wte.data, T32, wpe.data, tokens, positions, x.data, INT64_MAX / 2, P, C, 0, 1);
    CALL(wte.data, T32, wpe.data, tokens, positions, x.data, V, P, C, 0, INT64_MAX);
    CALL(wte.data, T32, wpe.data, negative, positions, x.data, V, P, C, 0, 2);
    CALL(wte.data, T32, wpe.data, tokens, negative, x.data, V, P, C, 0, 2);
#undef CALL
    REFUSES(x, ISTHMUS_INVALID,
            isthmus_embedding(level, 0, wpe.data, P, STRUCT(rows, tokens, positions, 0), x.data, 0, 2));
    REFUSES(x, ISTHMUS_INVALID,
            isthmus_embedding(level, STRUCT(matrix, wte.data, C, V, T32), wpe.data, P, 0, x.data, 0, 2));
    tensor_free(&wte), tensor_free(&wpe), tensor_free(&x);
}

TEST(embedding)
{
    for (int l = 0; l < LEVELS_COUNT; l++) {
        for (int i = 0; i < SIZES_COUNT; i++)
            sums_rows(LEVELS[l], (i + i / 5) % 5, SIZES[i], i % 4);
        for (int32_t type = ISTHMUS_TYPE_F32; type <= ISTHMUS_TYPE_Q4; type++) {
            sums_rows(LEVELS[l], type, 258, 3);
            sums_rows(LEVELS[l], type, 768, 1);
        }
        refuses(LEVELS[l]);
    }
}
