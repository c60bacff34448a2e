#include "test.h"

static void sums_rows(int32_t level, int64_t C, int shift)
{
    enum { V = 11, P = 5, T = 7 };
    struct tensor wte = tensor_random(V * C, shift), wpe = tensor_random(P * C, (shift + 1) % 4);
    struct tensor x = tensor_new(T * C, shift);
    int32_t tokens[T], positions[T];
    for (int t = 0; t < T; t++) {
        tokens[t] = (int32_t)random_below(V);
        positions[t] = (int32_t)random_below(P);
    }
    tokens[T - 1] = V - 1;
    positions[T - 1] = P - 1;

    const struct tensor untouched = tensor_copy(&x);
    isthmus_embedding(level, wte.data, wpe.data, tokens, positions, x.data, V, P, C, 2, 5);
    int right = 1;
    for (int64_t i = 0; i < T * C; i++) {
        const int64_t t = i / C, c = i % C;
        const float want = t < 2 || t >= 5 ? get(&untouched, i)
                                           : get(&wte, tokens[t] * C + c) + get(&wpe, positions[t] * C + c);
        right &= get(&x, i) == want;
    }
    check(right && guards_hold(&x), "%s, C = %d, rows [2, 5)", level_name(level), (int)C);

    isthmus_embedding(level, wte.data, wpe.data, tokens, positions, x.data, V, P, C, 0, T);
    right = 1;
    for (int64_t i = 0; i < T * C; i++)
        right &= get(&x, i) == get(&wte, tokens[i / C] * C + i % C) + get(&wpe, positions[i / C] * C + i % C);
    check(right && guards_hold(&x), "%s, C = %d, all rows", level_name(level), (int)C);

    tensor_free(&wte), tensor_free(&wpe), tensor_free(&x), tensor_free((struct tensor *)&untouched);
}

static void refuses(int32_t level)
{
    enum { V = 3, P = 2, C = 4 };
    struct tensor wte = tensor_random(V * C, 0), wpe = tensor_random(P * C, 0), x = tensor_random(2 * C, 0);
    const int32_t tokens[] = {2, 0}, positions[] = {0, 1};
#define CALL(...) REFUSES(x, ISTHMUS_INVALID, isthmus_embedding(level, __VA_ARGS__))
    CALL(0, wpe.data, tokens, positions, x.data, V, P, C, 0, 2);
    CALL(wte.data, 0, tokens, positions, x.data, V, P, C, 0, 2);
    CALL(wte.data, wpe.data, 0, positions, x.data, V, P, C, 0, 2);
    CALL(wte.data, wpe.data, tokens, 0, x.data, V, P, C, 0, 2);
    CALL(wte.data, wpe.data, tokens, positions, 0, V, P, C, 0, 2);
    CALL(wte.data, wpe.data, tokens, positions, x.data, V - 1, P, C, 0, 2);
    CALL(wte.data, wpe.data, tokens, positions, x.data, V, P - 1, C, 0, 2);
    CALL(wte.data, wpe.data, tokens, positions, x.data, -1, P, C, 0, 2);
    CALL(wte.data, wpe.data, tokens, positions, x.data, V, P, 0, 0, 2);
    CALL(wte.data, wpe.data, tokens, positions, x.data, V, P, C, -1, 2);
    CALL(wte.data, wpe.data, tokens, positions, x.data, V, P, C, 2, 1);
    CALL(wte.data, wpe.data, tokens, positions, x.data, V, P, INT64_MAX / 2, 0, 1);
    CALL(wte.data, wpe.data, tokens, positions, x.data, V, P, C, 0, INT64_MAX);
    const int32_t negative[] = {0, -1};
    CALL(wte.data, wpe.data, negative, positions, x.data, V, P, C, 0, 2);
    CALL(wte.data, wpe.data, tokens, negative, x.data, V, P, C, 0, 2);
#undef CALL
    tensor_free(&wte), tensor_free(&wpe), tensor_free(&x);
}

void test_embedding(void)
{
    for (int l = 0; l < LEVELS_COUNT; l++) {
        for (int i = 0; i < SIZES_COUNT; i++)
            sums_rows(LEVELS[l], SIZES[i], i % 4);
        refuses(LEVELS[l]);
    }
}
