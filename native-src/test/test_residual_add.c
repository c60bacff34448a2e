#include "test.h"

static void adds(int32_t level, int64_t C, int shift)
{
    enum { T = 5 };
    struct tensor x = tensor_random(T * C, shift), y = tensor_random(T * C, (shift + 2) % 4);
    for (int64_t t0 = 0; t0 <= T; t0++)
        for (int64_t t1 = t0; t1 <= T; t1++) {
            struct tensor out = tensor_copy(&x);
            isthmus_residual_add(level, out.data, y.data, C, t0, t1);
            int right = 1;
            for (int64_t i = 0; i < T * C; i++) {
                const int inside = i >= t0 * C && i < t1 * C;
                right &= get(&out, i) == (inside ? get(&x, i) + get(&y, i) : get(&x, i));
            }
            check(right && guards_hold(&out), "%s, C = %d, rows [%d, %d)", level_name(level), (int)C, (int)t0, (int)t1);
            tensor_free(&out);
        }
    tensor_free(&x), tensor_free(&y);
}

static void refuses(int32_t level)
{
    struct tensor x = tensor_random(8, 0), y = tensor_random(8, 0);
    REFUSES(x, ISTHMUS_INVALID, isthmus_residual_add(level, 0, y.data, 4, 0, 2));
    REFUSES(x, ISTHMUS_INVALID, isthmus_residual_add(level, x.data, 0, 4, 0, 2));
    REFUSES(x, ISTHMUS_INVALID, isthmus_residual_add(level, x.data, y.data, 0, 0, 2));
    REFUSES(x, ISTHMUS_INVALID, isthmus_residual_add(level, x.data, y.data, -4, 0, 2));
    REFUSES(x, ISTHMUS_INVALID, isthmus_residual_add(level, x.data, y.data, 4, -1, 2));
    REFUSES(x, ISTHMUS_INVALID, isthmus_residual_add(level, x.data, y.data, 4, 2, 1));
    REFUSES(x, ISTHMUS_INVALID, isthmus_residual_add(level, x.data, y.data, INT64_MAX / 4, 0, 2));
    tensor_free(&x), tensor_free(&y);
}

void test_residual_add(void)
{
    for (int l = 0; l < LEVELS_COUNT; l++) {
        for (int i = 0; i < SIZES_COUNT; i++)
            adds(LEVELS[l], SIZES[i], i % 4);
        refuses(LEVELS[l]);
    }
}
