#include <math.h>

#include "batch.h"
#include "packed.h"

enum { D = 20 };

/* One sequence of one head: T rows after `past` positions, whose keys and values are all `key` and the position. */
static void plain_batch(struct batch *b, int32_t type, int64_t T, int64_t past, float key)
{
    batch_new(b, T, 1, D, past, type, 1);
    for (int64_t t = 0; t < T; t++) {
        b->sequences[t] = 0;
        b->positions[t] = (int32_t)(past + t);
        for (int64_t d = 0; d < D; d++)
            set(&b->qkv, t * 3 * D + d, d == 0 ? 1.0f : 0.0f);
    }
    for (int64_t p = 0; p < past + T; p++) {
        float keys[D] = {key}, values[D];
        for (int64_t d = 0; d < D; d++)
            values[d] = (float)p;
        cache_set_all(&b->cache, 0, 0, p, 0, keys);
        cache_set_all(&b->cache, 1, 0, p, 0, values);
    }
}

/* Whether all of rows [t0, t1) are `want`, or NaN where it is. */
static int rows_are(const struct tensor *out, int64_t t0, int64_t t1, double want, double tolerance)
{
    int right = 1;
    for (int64_t i = t0 * D; i < t1 * D; i++)
        right &= close_to(get(out, i), want, tolerance);
    return right;
}

/* A value that is not finite shows in every row that sees its position and in no other, whichever rows are computed
 * together: a token's result never depends on the tokens after it. */
static void sees_its_past_and_no_more(int32_t level, int32_t type, int64_t T, int value, float special)
{
    struct batch b;
    plain_batch(&b, type, T, 60, 0.5f);
    const int64_t at = T / 2; /* the first row that sees it */
    cache_set(&b.cache, value, 0, 60 + at, 0, 3, special);
    if (!value)
        for (int64_t t = 0; t < T; t++)
            set(&b.qkv, t * 3 * D + 3, 1.0f);
    struct tensor out = tensor_new(T * D, 0), alone = tensor_new(T * D, 0);
    attend(&b, level, &out, 0, T, 0, 1);
    for (int64_t t = 0; t < T; t++)
        attend(&b, level, &alone, t, t + 1, 0, 1);
    int right = 1;
    for (int64_t i = 0; i < T * D; i++) {
        /* A value that is not finite leaves no scale for its neighbours in a byte. */
        const int seen = i / D >= at && (!value || type == ISTHMUS_TYPE_INT8 || i % D == 3);
        right &= seen ? !isfinite(get(&out, i)) : close_to(get(&out, i), (double)(60 + i / D) / 2, 1e-4);
    }
    check(right && same_bits(&out, &alone), "%s at %s, T = %d: %s %g of row %d", TYPE_NAMES[type], level_name(level),
          (int)T, value ? "value" : "key", (double)special, (int)at);
    tensor_free(&out), tensor_free(&alone);
    batch_free(&b);
}

/* A score of -inf weighs nothing, also where a whole tile of positions has it. */
static void ignores_scores_of_minus_infinity(int32_t level, int32_t type, int64_t finite)
{
    enum { PAST = 140 };
    struct batch b;
    plain_batch(&b, type, 1, PAST, -INFINITY);
    cache_set(&b.cache, 0, 0, finite, 0, 0, 1);
    struct tensor out = tensor_new(D, 0);
    attend(&b, level, &out, 0, 1, 0, 1);
    check(rows_are(&out, 0, 1, (double)finite, 0), "%s at %s: %g instead of %d", TYPE_NAMES[type], level_name(level),
          (double)get(&out, 0), (int)finite);
    tensor_free(&out);
    batch_free(&b);
}

/* Scores up to the end of float's range: the largest takes all, whether it comes first or last. */
static void takes_huge_scores(int32_t level, int32_t type, int64_t largest, float scale)
{
    enum { PAST = 140 };
    struct batch b;
    plain_batch(&b, type, 1, PAST, -60000.0f);
    b.scale = scale;
    cache_set(&b.cache, 0, 0, largest, 0, 0, scale > 0 ? 60000.0f : -65000.0f);
    struct tensor out = tensor_new(D, 0);
    attend(&b, level, &out, 0, 1, 0, 1);
    /* The weight, the scale and the unit of INT8 are rounded once each. */
    const double tolerance = type == ISTHMUS_TYPE_INT8 ? 0x1p-22 * (double)largest : 0;
    check(rows_are(&out, 0, 1, (double)largest, tolerance), "%s at %s, scale %g: %g instead of %d", TYPE_NAMES[type],
          level_name(level), (double)scale, (double)get(&out, 0), (int)largest);
    tensor_free(&out);
    batch_free(&b);
}

/* Where scores are alike, or their scale is zero, the result is the values' mean. */
static void takes_the_mean_of_equals(int32_t level, int32_t type, float key, float scale)
{
    enum { T = 9, PAST = 120 };
    struct batch b;
    plain_batch(&b, type, T, PAST, key);
    b.scale = scale;
    struct tensor out = tensor_new(T * D, 0);
    attend(&b, level, &out, 0, T, 0, 1);
    for (int64_t t = 0; t < T; t++)
        check(rows_are(&out, t, t + 1, (double)(PAST + t) / 2, 1e-4), "%s at %s, keys %g, scale %g: %g",
              TYPE_NAMES[type], level_name(level), (double)key, (double)scale, (double)get(&out, t * D));
    tensor_free(&out);
    batch_free(&b);
}

/* Where every score is -inf, or one is +inf, there is no softmax. */
static void has_no_result_without_a_finite_maximum(int32_t level, int32_t type)
{
    struct batch b;
    plain_batch(&b, type, 1, 70, -INFINITY);
    struct tensor out = tensor_new(D, 0);
    attend(&b, level, &out, 0, 1, 0, 1);
    check(rows_are(&out, 0, 1, NAN, 0), "%s at %s: all -inf give %g", TYPE_NAMES[type], level_name(level),
          (double)get(&out, 0));
    cache_set(&b.cache, 0, 0, 3, 0, 0, INFINITY);
    attend(&b, level, &out, 0, 1, 0, 1);
    check(rows_are(&out, 0, 1, NAN, 0), "%s at %s: +inf gives %g", TYPE_NAMES[type], level_name(level),
          (double)get(&out, 0));
    tensor_free(&out);
    batch_free(&b);
}

static void refuses(int32_t level)
{
    enum { T = 2, H = 2, F32 = ISTHMUS_TYPE_F32 };
    struct batch b;
    batch_new(&b, T, H, D, 130, F32, 1);
    struct tensor out = tensor_random(T * H * D, 0);
    float *o = out.data;
    const float *q = b.qkv.data;
    const int32_t pos[] = {129, 130}, seq[] = {0, 0}, negative[] = {0, -1}, back[] = {130, 129}, same[] = {129, 129};
    const uint64_t *blocks = b.cache.blocks;
    const uint64_t hole[] = {blocks[0], 0, blocks[2]};
    const int64_t *start = b.cache.block_start, no_start[] = {-1}, zero[] = {0};
#define CALL(q, o, positions, sequences, blocks, start, type, offset, H, D, scale, ...)                         \
    REFUSES(out, ISTHMUS_INVALID,                                                                               \
            isthmus_attention(level, STRUCT(queries, q, o, scale), STRUCT(rows, 0, positions, sequences),       \
                              STRUCT(kv, blocks, start, offset, H, D, type), __VA_ARGS__))
    CALL(0, o, pos, seq, blocks, start, F32, 0, H, D, 1.0f, 0, T, 0, H);
    CALL(q, 0, pos, seq, blocks, start, F32, 0, H, D, 1.0f, 0, T, 0, H);
    CALL(q, o, 0, seq, blocks, start, F32, 0, H, D, 1.0f, 0, T, 0, H);
    CALL(q, o, pos, 0, blocks, start, F32, 0, H, D, 1.0f, 0, T, 0, H);
    CALL(q, o, pos, seq, 0, start, F32, 0, H, D, 1.0f, 0, T, 0, H);
    CALL(q, o, pos, seq, blocks, 0, F32, 0, H, D, 1.0f, 0, T, 0, H);
    CALL(q, o, negative, seq, blocks, start, F32, 0, H, D, 1.0f, 0, T, 0, H);
    CALL(q, o, back, seq, blocks, start, F32, 0, H, D, 1.0f, 0, T, 0, H);
    CALL(q, o, same, seq, blocks, start, F32, 0, H, D, 1.0f, 0, T, 0, H);
    CALL(q, o, pos, negative, blocks, start, F32, 0, H, D, 1.0f, 0, T, 0, H);
    CALL(q, o, pos, seq, hole, zero, F32, 0, H, D, 1.0f, 0, T, 0, H);
    CALL(q, o, pos, seq, blocks, no_start, F32, 0, H, D, 1.0f, 0, T, 0, H);
    CALL(q, o, pos, seq, blocks, start, -1, 0, H, D, 1.0f, 0, T, 0, H);
    CALL(q, o, pos, seq, blocks, start, ISTHMUS_TYPE_BF16, 0, H, D, 1.0f, 0, T, 0, H);
    CALL(q, o, pos, seq, blocks, start, ISTHMUS_TYPE_Q4, 0, H, D, 1.0f, 0, T, 0, H);
    CALL(q, o, pos, seq, blocks, start, F32, -1, H, D, 1.0f, 0, T, 0, H);
    CALL(q, o, pos, seq, blocks, start, F32, INT64_MAX - 3, H, D, 1.0f, 0, T, 0, H);
    CALL(q, o, pos, seq, blocks, start, F32, 0, 0, D, 1.0f, 0, T, 0, 0);
    CALL(q, o, pos, seq, blocks, start, F32, 0, -1, D, 1.0f, 0, T, 0, H);
    CALL(q, o, pos, seq, blocks, start, F32, 0, INT64_MAX / 8, D, 1.0f, 0, T, 0, H);
    CALL(q, o, pos, seq, blocks, start, F32, 0, H, 0, 1.0f, 0, T, 0, H);
    CALL(q, o, pos, seq, blocks, start, F32, 0, H, ISTHMUS_MAX_HEAD_CHANNELS + 1, 1.0f, 0, T, 0, H);
    CALL(q, o, pos, seq, blocks, start, F32, 0, H, D, NAN, 0, T, 0, H);
    CALL(q, o, pos, seq, blocks, start, F32, 0, H, D, INFINITY, 0, T, 0, H);
    CALL(q, o, pos, seq, blocks, start, F32, 0, H, D, 1.0f, -1, T, 0, H);
    CALL(q, o, pos, seq, blocks, start, F32, 0, H, D, 1.0f, T, 0, 0, H);
    CALL(q, o, pos, seq, blocks, start, F32, 0, H, D, 1.0f, 0, INT64_MAX, 0, H);
    CALL(q, o, pos, seq, blocks, start, F32, 0, H, D, 1.0f, 0, T, -1, H);
    CALL(q, o, pos, seq, blocks, start, F32, 0, H, D, 1.0f, 0, T, 1, 0);
    CALL(q, o, pos, seq, blocks, start, F32, 0, H, D, 1.0f, 0, T, 0, H + 1);
#undef CALL
#define CALL(queries, rows, kv) REFUSES(out, ISTHMUS_INVALID, isthmus_attention(level, queries, rows, kv, 0, T, 0, H))
    CALL(0, STRUCT(rows, 0, pos, seq), STRUCT(kv, blocks, start, 0, H, D, F32));
    CALL(STRUCT(queries, q, o, 1.0f), 0, STRUCT(kv, blocks, start, 0, H, D, F32));
    CALL(STRUCT(queries, q, o, 1.0f), STRUCT(rows, 0, pos, seq), 0);
#undef CALL
    tensor_free(&out);
    batch_free(&b);
}

TEST(attention_edges)
{
    static const int32_t types[] = {ISTHMUS_TYPE_F32, ISTHMUS_TYPE_F16, ISTHMUS_TYPE_INT8};
    static const int64_t rows[] = {2, 3, 6, 7, 20, 100};
    static const int64_t places[] = {0, 63, 64, 100, 140};
    for (int l = 0; l < LEVELS_COUNT; l++) {
        for (int m = 0; m < COUNT(types); m++) {
            const int32_t type = types[m];
            for (int i = 0; i < COUNT(rows); i++) {
                sees_its_past_and_no_more(LEVELS[l], type, rows[i], 0, NAN);
                sees_its_past_and_no_more(LEVELS[l], type, rows[i], 0, INFINITY);
                sees_its_past_and_no_more(LEVELS[l], type, rows[i], 1, NAN);
                sees_its_past_and_no_more(LEVELS[l], type, rows[i], 1, INFINITY);
                sees_its_past_and_no_more(LEVELS[l], type, rows[i], 1, -INFINITY);
            }
            for (int i = 0; i < COUNT(places); i++) {
                if (type != ISTHMUS_TYPE_INT8) /* whose scale is not a number where a key is not finite */
                    ignores_scores_of_minus_infinity(LEVELS[l], type, places[i]);
                takes_huge_scores(LEVELS[l], type, places[i], 1);
                takes_huge_scores(LEVELS[l], type, places[i], 5e33f);
                takes_huge_scores(LEVELS[l], type, places[i], -5e33f);
            }
            takes_the_mean_of_equals(LEVELS[l], type, 0, 1);
            takes_the_mean_of_equals(LEVELS[l], type, 60000.0f, 5e33f);
            takes_the_mean_of_equals(LEVELS[l], type, -60000.0f, 1);
            takes_the_mean_of_equals(LEVELS[l], type, 3, 0);
            has_no_result_without_a_finite_maximum(LEVELS[l], type);
        }
        refuses(LEVELS[l]);
    }
}
