#include <math.h>
#include <stdlib.h>

#include "cache.h"

enum { MAX_T = 24, SEQUENCES = 3, LAYER_OFFSET = 5 };

/* A batch of rows over sequences with a past, and what attention must make of it. */
struct batch {
    int64_t T, H, D, block_positions;
    float scale;
    int32_t positions[MAX_T], sequences[MAX_T];
    struct tensor qkv;
    struct cache cache;
};

/* peak: how far the scores spread. Positions beyond each sequence's last stay NaN in the cache, so reading them
 * shows. */
static void batch_new(struct batch *b, int64_t T, int64_t H, int64_t D, int64_t past, int64_t block_positions,
                      float peak)
{
    *b = (struct batch){.T = T, .H = H, .D = D, .block_positions = block_positions};
    b->scale = peak / sqrtf((float)D);
    b->qkv = tensor_random(T * 3 * H * D, (int)(D % 4));
    int64_t length[SEQUENCES];
    for (int s = 0; s < SEQUENCES; s++)
        length[s] = s == 0 ? past : random_below(past + 1);
    for (int64_t t = 0; t < T; t++) { /* runs of rows of one sequence, at consecutive positions */
        b->sequences[t] = t > 0 && random_below(4) ? b->sequences[t - 1] : (int32_t)random_below(SEQUENCES);
        b->positions[t] = (int32_t)length[b->sequences[t]]++;
    }
    cache_new(&b->cache, SEQUENCES, past + T, block_positions, LAYER_OFFSET, H, D);
    for (int32_t s = 0; s < SEQUENCES; s++)
        for (int64_t p = 0; p < length[s]; p++)
            for (int64_t c = 0; c < 2 * H * D; c++) {
                int64_t i;
                struct tensor *block = cache_at(&b->cache, c >= H * D, s, p, c % (H * D) / D, c % D, &i);
                set(block, i, random_float());
            }
}

static void batch_free(struct batch *b)
{
    tensor_free(&b->qkv);
    cache_free(&b->cache);
}

static int32_t attend(const struct batch *b, int32_t level, struct tensor *out, int64_t t0, int64_t t1, int64_t h0,
                      int64_t h1)
{
    return isthmus_attention(level, b->qkv.data, out->data, b->positions, b->sequences, b->cache.blocks,
                             b->cache.block_start, b->block_positions, LAYER_OFFSET, b->H, b->D, b->scale, t0, t1,
                             h0, h1);
}

/* One element in double: softmax(scale q . K) . V. */
static void expected(struct batch *b, int64_t t, int64_t h, double *out)
{
    const int64_t D = b->D, C = b->H * D, past = b->positions[t] + 1;
    double *score = malloc((size_t)past * sizeof *score), maximum = -INFINITY, sum = 0;
    int64_t i;
    for (int64_t p = 0; p < past; p++) {
        score[p] = 0;
        for (int64_t d = 0; d < D; d++) {
            const struct tensor *block = cache_at(&b->cache, 0, b->sequences[t], p, h, d, &i);
            score[p] += (double)b->scale * (double)get(&b->qkv, t * 3 * C + h * D + d) * (double)get(block, i);
        }
        maximum = fmax(maximum, score[p]);
    }
    for (int64_t d = 0; d < D; d++)
        out[d] = 0;
    for (int64_t p = 0; p < past; p++) {
        const double weight = exp(score[p] - maximum);
        sum += weight;
        for (int64_t d = 0; d < D; d++) {
            const struct tensor *block = cache_at(&b->cache, 1, b->sequences[t], p, h, d, &i);
            out[d] += weight * (double)get(block, i);
        }
    }
    for (int64_t d = 0; d < D; d++)
        out[d] /= sum;
    free(score);
}

static void attends(int32_t level, int64_t T, int64_t H, int64_t D, int64_t past, int64_t block_positions, float peak)
{
    struct batch b;
    batch_new(&b, T, H, D, past, block_positions, peak);
    struct tensor out = tensor_new(T * H * D, (int)(past % 4));
    attend(&b, level, &out, 0, T, 0, H);

    double *want = malloc((size_t)D * sizeof *want), worst = 0;
    for (int64_t t = 0; t < T; t++)
        for (int64_t h = 0; h < H; h++) {
            expected(&b, t, h, want);
            for (int64_t d = 0; d < D; d++) {
                const double error = fabs((double)get(&out, t * H * D + h * D + d) - want[d]);
                worst = isfinite(error) ? fmax(worst, error) : INFINITY;
            }
        }
    free(want);
    /* Values are below 1; scores below peak sqrt(D) carry float32 errors of their own into the weights. */
    check(worst <= 3e-7 * (1 + (double)peak) && guards_hold(&out),
          "%s, T = %d, H = %d, D = %d, past %d, blocks of %d: error %g", level_name(level), (int)T, (int)H, (int)D,
          (int)past, (int)block_positions, worst);

    struct tensor parts = tensor_new(T * H * D, 0);
    for (int64_t t = 0; t < T; t++)
        for (int64_t h = 0; h < H; h++)
            attend(&b, level, &parts, t, t + 1, h, h + 1);
    check(same_bits(&out, &parts) && guards_hold(&parts), "%s, D = %d, past %d: row by row and head by head differs",
          level_name(level), (int)D, (int)past);
    tensor_free(&parts);

    parts = tensor_new(T * H * D, 0);
    const int64_t split = random_below(T + 1);
    attend(&b, level, &parts, split, T, 0, H);
    attend(&b, level, &parts, 0, split, 0, H);
    check(same_bits(&out, &parts), "%s, D = %d, past %d: split at row %d differs", level_name(level), (int)D, (int)past,
          (int)split);
    tensor_free(&parts);
    tensor_free(&out);
    batch_free(&b);
}

/* The same past in blocks of other sizes. */
static void ignores_the_block_size(int32_t level)
{
    enum { T = 5, H = 2, D = 19, PAST = 150 };
    struct batch a;
    batch_new(&a, T, H, D, PAST, 7, 3);
    struct tensor want = tensor_new(T * H * D, 0);
    attend(&a, level, &want, 0, T, 0, H);
    static const int64_t sizes[] = {3, 16, 64, 100, 1000};
    for (int k = 0; k < COUNT(sizes); k++) {
        struct batch b = a;
        b.block_positions = sizes[k];
        cache_new(&b.cache, SEQUENCES, PAST + T, sizes[k], LAYER_OFFSET, H, D);
        for (int32_t s = 0; s < SEQUENCES; s++)
            for (int64_t p = 0; p < PAST + T; p++)
                for (int64_t c = 0; c < 2 * H * D; c++) {
                    int64_t from, to;
                    const struct tensor *source = cache_at(&a.cache, c >= H * D, s, p, c % (H * D) / D, c % D, &from);
                    struct tensor *target = cache_at(&b.cache, c >= H * D, s, p, c % (H * D) / D, c % D, &to);
                    set(target, to, get(source, from));
                }
        struct tensor out = tensor_new(T * H * D, 0);
        attend(&b, level, &out, 0, T, 0, H);
        check(same_bits(&want, &out), "%s: blocks of %d positions change the bits", level_name(level), (int)sizes[k]);
        tensor_free(&out);
        cache_free(&b.cache);
    }
    tensor_free(&want);
    batch_free(&a);
}

static void keeps_what_is_not_a_number(int32_t level)
{
    struct batch b;
    batch_new(&b, 2, 1, 5, 70, 16, 1);
    int64_t i;
    struct tensor *block = cache_at(&b.cache, 0, b.sequences[0], 0, 0, 2, &i);
    set(block, i, NAN);
    struct tensor out = tensor_new(2 * 5, 0);
    attend(&b, level, &out, 0, 1, 0, 1);
    int right = 1;
    for (int d = 0; d < 5; d++)
        right &= isnan(get(&out, d));
    check(right, "%s: a key that is not a number is hidden", level_name(level));
    tensor_free(&out);
    batch_free(&b);
}

/* A score of -inf weighs nothing, also where a whole tile of positions has it. */
static void ignores_scores_of_minus_infinity(int32_t level)
{
    enum { PAST = 69, D = 4 };
    struct batch b;
    batch_new(&b, 1, 1, D, PAST, 16, 1);
    b.sequences[0] = 0;
    b.positions[0] = PAST;
    for (int64_t d = 0; d < D; d++)
        set(&b.qkv, d, d == 0 ? 1.0f : 0.0f);
    for (int64_t p = 0; p <= PAST; p++)
        for (int64_t c = 0; c < 2 * D; c++) {
            int64_t i;
            struct tensor *block = cache_at(&b.cache, c >= D, 0, p, 0, c % D, &i);
            set(block, i, c >= D ? (float)p : c == 0 && p < PAST ? -INFINITY : 0.0f);
        }
    struct tensor out = tensor_new(D, 0);
    attend(&b, level, &out, 0, 1, 0, 1);
    check(get(&out, 0) == (float)PAST && get(&out, D - 1) == (float)PAST, "%s: %g", level_name(level),
          (double)get(&out, 0));
    tensor_free(&out);
    batch_free(&b);
}

static void refuses(int32_t level)
{
    enum { T = 2, H = 2, D = 3, BLOCK = 2 };
    struct batch b;
    batch_new(&b, T, H, D, 4, BLOCK, 1);
    struct tensor out = tensor_random(T * H * D, 0);
    const float *q = b.qkv.data;
    const int32_t *pos = b.positions, *seq = b.sequences, negative[] = {0, -1}, last[] = {4, 5}, first[] = {0, 0};
    const uint64_t *blocks = b.cache.blocks;
    const uint64_t hole[] = {blocks[0], 0, blocks[2]};
    const int64_t *start = b.cache.block_start, no_start[] = {-1, -1, -1}, zero[] = {0};
#define CALL(...) REFUSES(out, ISTHMUS_INVALID, isthmus_attention(level, __VA_ARGS__))
    CALL(0, out.data, pos, seq, blocks, start, BLOCK, 0, H, D, 1.0f, 0, T, 0, H);
    CALL(q, 0, pos, seq, blocks, start, BLOCK, 0, H, D, 1.0f, 0, T, 0, H);
    CALL(q, out.data, 0, seq, blocks, start, BLOCK, 0, H, D, 1.0f, 0, T, 0, H);
    CALL(q, out.data, pos, 0, blocks, start, BLOCK, 0, H, D, 1.0f, 0, T, 0, H);
    CALL(q, out.data, pos, seq, 0, start, BLOCK, 0, H, D, 1.0f, 0, T, 0, H);
    CALL(q, out.data, pos, seq, blocks, 0, BLOCK, 0, H, D, 1.0f, 0, T, 0, H);
    CALL(q, out.data, negative, seq, blocks, start, BLOCK, 0, H, D, 1.0f, 0, T, 0, H);
    CALL(q, out.data, pos, negative, blocks, start, BLOCK, 0, H, D, 1.0f, 0, T, 0, H);
    CALL(q, out.data, last, first, hole, zero, BLOCK, 0, H, D, 1.0f, 0, T, 0, H);
    CALL(q, out.data, pos, seq, blocks, no_start, BLOCK, 0, H, D, 1.0f, 0, T, 0, H);
    CALL(q, out.data, pos, seq, blocks, start, 0, 0, H, D, 1.0f, 0, T, 0, H);
    CALL(q, out.data, pos, seq, blocks, start, BLOCK, -1, H, D, 1.0f, 0, T, 0, H);
    CALL(q, out.data, pos, seq, blocks, start, BLOCK, INT64_MAX - 3, H, D, 1.0f, 0, T, 0, H);
    CALL(q, out.data, pos, seq, blocks, start, BLOCK, 0, -1, D, 1.0f, 0, T, 0, H);
    CALL(q, out.data, pos, seq, blocks, start, BLOCK, 0, H, 0, 1.0f, 0, T, 0, H);
    CALL(q, out.data, pos, seq, blocks, start, BLOCK, 0, H, INT64_MAX / 8, 1.0f, 0, T, 0, H);
    CALL(q, out.data, pos, seq, blocks, start, BLOCK, 0, H, D, NAN, 0, T, 0, H);
    CALL(q, out.data, pos, seq, blocks, start, BLOCK, 0, H, D, INFINITY, 0, T, 0, H);
    CALL(q, out.data, pos, seq, blocks, start, BLOCK, 0, H, D, 1.0f, -1, T, 0, H);
    CALL(q, out.data, pos, seq, blocks, start, BLOCK, 0, H, D, 1.0f, T, 0, 0, H);
    CALL(q, out.data, pos, seq, blocks, start, BLOCK, 0, H, D, 1.0f, 0, T, -1, H);
    CALL(q, out.data, pos, seq, blocks, start, BLOCK, 0, H, D, 1.0f, 0, T, 1, 0);
    CALL(q, out.data, pos, seq, blocks, start, BLOCK, 0, H, D, 1.0f, 0, T, 0, H + 1);
#undef CALL
    tensor_free(&out);
    batch_free(&b);
}

void test_attention(void)
{
    static const int64_t head_sizes[] = {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 80, 128, 129};
    static const int64_t pasts[] = {0, 1, 3, 14, 15, 16, 61, 63, 64, 65, 129, 200};
    static const int64_t block_sizes[] = {16, 1, 64, 5, 128};
    for (int l = 0; l < LEVELS_COUNT; l++) {
        int k = 0;
        for (int i = 0; i < COUNT(head_sizes); i++)
            for (int j = 0; j < COUNT(pasts); j++, k++) {
                const int64_t block = pasts[j] > 60 && block_sizes[k % 5] < 5 ? 16 : block_sizes[k % 5];
                attends(LEVELS[l], 1 + k % MAX_T, 1 + k % 3, head_sizes[i], pasts[j], block, k % 2 ? 1 : 20);
            }
        attends(LEVELS[l], 20, 1, 64, 500, 64, 6);
        ignores_the_block_size(LEVELS[l]);
        keeps_what_is_not_a_number(LEVELS[l]);
        ignores_scores_of_minus_infinity(LEVELS[l]);
        refuses(LEVELS[l]);
    }
}
