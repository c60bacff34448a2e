#include <math.h>
#include <stdlib.h>

#include "batch.h"
#include "packed.h"

/* Batches of up to IN_FULL products are compared in full, larger ones in a sample of rows and heads. */
enum { IN_FULL = 1000000 };

/* The largest error above the rounding of INT8's weights. */
static double worst_error(const struct batch *b, const struct tensor *out)
{
    const int64_t D = b->D, cost = b->T * b->H * D * (b->positions[b->T - 1] + 1), step = 1 + cost / IN_FULL;
    double *want = malloc((size_t)D * sizeof *want), worst = 0;
    for (int64_t i = (b->T * b->H - 1) % step; i < b->T * b->H; i += step) { /* the last is among them */
        const double rounding = attention_of(b, i / b->H, i % b->H, want);
        for (int64_t d = 0; d < D; d++) {
            const double error = fabs((double)get(out, i * D + d) - want[d]) - rounding;
            worst = isfinite(error) ? fmax(worst, error) : INFINITY;
        }
    }
    free(want);
    return worst;
}

static void attends(int32_t level, int32_t type, int64_t T, int64_t H, int64_t D, int64_t past, float peak)
{
    struct batch b;
    batch_new(&b, T, H, D, past, type, peak);
    struct tensor out = tensor_new(T * H * D, (int)(past % 4));
    attend(&b, level, &out, 0, T, 0, H);
    const double worst = worst_error(&b, &out);
    /* Values are below 1; scores below peak sqrt(D), sums of D products, carry float32 errors of their own into the
     * weights. */
    check(worst <= 3e-7 * (1 + (double)peak * (1 + (double)D / 300)) && guards_hold(&out),
          "%s at %s, T = %d, H = %d, D = %d, past %d: error %g", TYPE_NAMES[type],
          level_name(level), (int)T, (int)H, (int)D, (int)past, worst);

    /* In any parts: single rows and heads, and rows split anywhere; each part leaves the others alone. */
    struct tensor parts = tensor_new(T * H * D, 1);
    const float untouched = get(&parts, 0);
    const int64_t head = random_below(H), split = random_below(T + 1);
    for (int64_t t = 0; t < T; t++)
        attend(&b, level, &parts, t, t + 1, head, head + 1);
    int64_t strays = 0;
    for (int64_t i = 0; i < T * H * D; i++)
        strays += i / D % H != head && get(&parts, i) != untouched;
    attend(&b, level, &parts, split, T, 0, head);
    attend(&b, level, &parts, 0, split, 0, head);
    attend(&b, level, &parts, 0, T, head + 1, H);
    check(strays == 0 && same_bits(&out, &parts) && guards_hold(&parts),
          "%s at %s, T = %d, H = %d, D = %d, past %d: in parts it differs, with %d strays", TYPE_NAMES[type],
          level_name(level), (int)T, (int)H, (int)D, (int)past, (int)strays);
    tensor_free(&parts), tensor_free(&out);
    batch_free(&b);
}

TEST(attention)
{
    static const int32_t types[] = {ISTHMUS_TYPE_F32, ISTHMUS_TYPE_F16, ISTHMUS_TYPE_INT8};
    static const int64_t head_sizes[] = {1, 3, 8, 16, 17, 32, 64, 65, 80, 96, 128, 200, 1000};
    static const int64_t pasts[] = {0, 1, 62, 63, 64, 65, 127, 128, 130, 200};
    static const int64_t rows[] = {1, 2, 5, 6, 7, 13, 23};
    static const int64_t heads[] = {1, 3, 12};
    for (int l = 0; l < LEVELS_COUNT; l++)
        for (int m = 0; m < COUNT(types); m++) {
            const int32_t type = types[m];
            for (int i = 0, k = l; i < COUNT(head_sizes); i++)
                for (int j = m; j < COUNT(pasts); j += COUNT(types), k++)
                    attends(LEVELS[l], type, rows[k % COUNT(rows)], head_sizes[i] > 100 ? 1 : heads[k % 3],
                            head_sizes[i], pasts[j], k % 2 ? 1 : 20);
            for (int64_t T = 95; T <= 97; T++)
                attends(LEVELS[l], type, T, 1, 16, 40, 3);
            attends(LEVELS[l], type, 193, 1, 33, 7, 6);
            attends(LEVELS[l], type, 200, 3, 64, 150, 6);
            attends(LEVELS[l], type, 50, 1, 128, 30, 6);
            attends(LEVELS[l], type, 2, 1, ISTHMUS_MAX_HEAD_CHANNELS, 66, 1);
        }
}
