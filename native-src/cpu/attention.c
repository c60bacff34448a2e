/*
 * Causal attention over the KV cache, one pass with a running maximum and sum (Milakov and Gimelshein 2018, "Online
 * normalizer calculation for softmax"; Dao et al. 2022, "FlashAttention").
 *
 * The past is taken in tiles of a cache block's 64 positions. Its keys lie [D, 64] there and its values [64, D'], so
 * that both products, queries by keys and probabilities by values, are those of a panel of weights (tile.h). Up to
 * ROWS rows of one sequence go through a tile together. Each row's numbers are computed in the same order as if it were
 * alone: where others see positions that it does not, its probability there is zero.
 */
#include <math.h>

#include "simd_double.h"
#include "tile.h"

enum {
    TILE = ISTHMUS_CACHE_BLOCK,
    ROWS = 16 * TILE_ROWS,
    CHAIN = 32, /* head channels that are added up one after another; then these sums are */
    ACCUMULATED = ROWS * 64, /* floats: ROWS rows of the usual 64 head channels, fewer of wider ones */
    WIDENED_CHANNELS = 128,  /* of heads whose keys or values of half precision are widened for many rows at once */
};

/* What a row's softmax has come to: the largest score so far and, by lanes, the sum of exponentials relative to it. */
struct running {
    float maximum;
    dvec sum;
};

/* Rows of one sequence, as one head sees them; q and out are row 0's. */
struct queries {
    const f32 *q;
    f32 *out;
    const i32 *positions;
    int64_t sequence, head, count;
    float scale;
};

struct buffers {
    float accumulated[ACCUMULATED] __attribute__((aligned(64)));
    float scores[ROWS * TILE] __attribute__((aligned(64)));
    float widened[WIDENED_CHANNELS * TILE] __attribute__((aligned(64)));
    int64_t depths[ROWS];
    struct running running[ROWS];
};

/* sums[i] (+)= x[i] . w for each of `rows` rows, w [depth, w_stride] elements of the cache's type: one group of rows
 * widens half precision as it goes, several share what is widened once. Of several, `depths`, in rising order and the
 * last equal to `depth`, says how many inputs count for each row, and `widths`, in rising order, how many sums; null
 * for all. `coming` is what will be needed next. */
struct operands {
    const f32 *x;
    int64_t x_stride;
    const char *w;
    int64_t w_stride, depth;
    const int64_t *depths, *widths;
    f32 *sums;
    int64_t sums_stride;
    int add;
    const char *coming;
};

INLINE void product(const struct operands *o, int32_t type, int64_t rows_count, float *widened)
{
    struct tile tile = {.x_stride = o->x_stride, .w = o->w, .w_stride = o->w_stride, .depth = o->depth,
                        .sums_stride = o->sums_stride, .add = o->add, .coming = o->coming};
    if (rows_count <= TILE_ROWS) {
        const int lines = type == ISTHMUS_TYPE_F32 ? 4 : 2;
#define CALL(t, rows)      \
    tile.x = o->x;         \
    tile.sums = o->sums;   \
    run_tile(&tile, type, rows, o->w_stride, lines);
        FOR_ROW_GROUPS(rows_count, CALL)
#undef CALL
        return;
    }
    if (type != ISTHMUS_TYPE_F32) {
        widen(widened, o->w, type, o->depth, o->w_stride);
        tile.w = widened;
    }
#define CALL(t, rows)                                              \
    tile.x = o->x + t * o->x_stride;                               \
    tile.sums = o->sums + t * o->sums_stride;                      \
    tile.depth = o->depths ? o->depths[t + rows - 1] : o->depth;   \
    run_tile(&tile, ISTHMUS_TYPE_F32, rows, o->widths ? rounded_up(o->widths[t + rows - 1], 16) : o->w_stride, 0);
    FOR_ROW_GROUPS(rows_count, CALL)
#undef CALL
}

/* Turns a row's scores of one tile, of which `count` are of positions that it sees, into exponentials, zero for the
 * others, and scales what the row has accumulated so far down to their maximum. */
INLINE void weigh(float *scores, int64_t count, float scale, struct running *running, float *accumulated,
                  int64_t channels)
{
    vec largest = v_set(-INFINITY);
    vmask lane;
    for (int i = 0; i < LANES; i++)
        lane[i] = i;
    for (int64_t i = 0; i < TILE; i += LANES) {
        const vec seen = v_select(lane + (int32_t)i < (int32_t)count, v_load(scores + i) * scale, v_set(-INFINITY));
        v_store(scores + i, seen);
        largest = v_max(seen, largest);
    }
    const float most = v_largest(largest);
    const float maximum = most > running->maximum ? most : running->maximum;
    /* While every score is -inf, -inf - -inf would turn weights of zero into NaN. */
    const float shift = maximum == -INFINITY ? 0.0f : maximum;

    vec sums = {0};
    for (int64_t i = 0; i < TILE; i += LANES) {
        const vec exponentials = v_exp(v_load(scores + i) - shift);
        v_store(scores + i, exponentials);
        sums += exponentials;
    }
    if (running->maximum != shift) {
        const float decay = v_exp(v_set(running->maximum - shift))[0];
        running->sum *= (double)decay;
        running->maximum = maximum;
        for (int64_t d = 0; d < channels; d += LANES)
            v_store(accumulated + d, v_load(accumulated + d) * decay);
    }
    running->sum += d_halves(sums);
}

INLINE void attend(const struct queries *r, const struct kv_cache *cache, int32_t type, struct buffers *b)
{
    const int64_t D = cache->D, C = cache->H * D, channels = value_stride(D);
    for (int64_t i = 0; i < r->count; i++)
        b->running[i] = (struct running){-INFINITY, {0}};
    memset(b->accumulated, 0, (size_t)(r->count * channels) * sizeof(float));

    const int64_t past = r->positions[r->count - 1] + 1;
    int64_t first = 0;
    for (int64_t p0 = 0; p0 < past; p0 += TILE) {
        while (r->positions[first] < p0)
            first++;
        const int64_t count = r->count - first;
        for (int64_t i = first; i < r->count; i++)
            b->depths[i] = r->positions[i] + 1 - p0 < TILE ? r->positions[i] + 1 - p0 : TILE;
        const char *values = value_tile(cache, r->sequence, p0, r->head);
        const char *next = p0 + TILE < past ? key_tile(cache, r->sequence, p0 + TILE, r->head) : values;
        float *accumulated = b->accumulated + first * channels;

        const char *keys = key_tile(cache, r->sequence, p0, r->head);
        for (int64_t d = 0; d < D; d += CHAIN) {
            const int64_t offset = d * TILE * element_bytes(type);
            const struct operands scores = {
                .x = r->q + first * 3 * C + d, .x_stride = 3 * C, .w = keys + offset, .w_stride = TILE,
                .depth = D - d < CHAIN ? D - d : CHAIN, .widths = b->depths + first, .sums = b->scores,
                .sums_stride = TILE, .add = d > 0, .coming = values + offset};
            product(&scores, type, count, b->widened);
        }
        for (int64_t i = 0; i < count; i++)
            weigh(b->scores + i * TILE, b->depths[first + i], r->scale, &b->running[first + i],
                  accumulated + i * channels, channels);
        const struct operands sums = {
            .x = b->scores, .x_stride = TILE, .w = values, .w_stride = channels, .depth = b->depths[r->count - 1],
            .depths = b->depths + first, .sums = accumulated, .sums_stride = channels, .add = 1, .coming = next};
        product(&sums, type, count, b->widened);
    }

    for (int64_t i = 0; i < r->count; i++) {
        const dvec inverse = d_set(1.0 / d_sum(b->running[i].sum));
        int64_t d = 0;
        for (; d + DLANES <= D; d += DLANES)
            d_store(r->out + i * C + d, d_load(b->accumulated + i * channels + d) * inverse);
        if (d < D)
            d_store_part(r->out + i * C + d, d_load_part(b->accumulated + i * channels + d, D - d) * inverse, D - d);
    }
}

static void attend_as_stored(const struct queries *r, const struct kv_cache *cache, struct buffers *buffers)
{
    if (cache->type == ISTHMUS_TYPE_F32)
        attend(r, cache, ISTHMUS_TYPE_F32, buffers);
    else
        attend(r, cache, ISTHMUS_TYPE_F16, buffers);
}

static int has_nan(const f32 *x, int64_t count)
{
    int found = 0;
    for (int64_t i = 0; i < count; i++)
        found |= x[i] != x[i];
    return found;
}

/* The most rows of a sequence that go through a tile together. */
static int64_t most_rows(const struct kv_cache *cache)
{
    const int64_t channels = value_stride(cache->D), fitting = ACCUMULATED / channels;
    if (cache->type == ISTHMUS_TYPE_F16 && channels > WIDENED_CHANNELS)
        return fitting < TILE_ROWS ? fitting : TILE_ROWS;
    return fitting < ROWS ? fitting : ROWS;
}

void KERNEL(attention)(const f32 *restrict qkv, f32 *restrict out, const i32 *positions, const i32 *sequences,
                       const struct kv_cache *cache, float scale, int64_t t0, int64_t t1, int64_t h0, int64_t h1)
{
    struct buffers buffers;
    const int64_t D = cache->D, C = cache->H * D, most = most_rows(cache);
    for (int64_t h = h0; h < h1; h++)
        for (int64_t t = t0, rows; t < t1; t += rows) {
            for (rows = 1; rows < most && t + rows < t1 && sequences[t + rows] == sequences[t];)
                rows++;
            struct queries queries = {qkv + t * 3 * C + h * D, out + t * C + h * D, positions + t, sequences[t], h,
                                      rows, scale};
            attend_as_stored(&queries, cache, &buffers);
            /* A probability of zero keeps a later position out, unless its value is not finite: zero times that is NaN.
             * Only a row alone is certain not to have met it. */
            for (queries.count = 1; rows > 1 && queries.positions < positions + t + rows; queries.positions++) {
                if (has_nan(queries.out, D))
                    attend_as_stored(&queries, cache, &buffers);
                queries.q += 3 * C;
                queries.out += C;
            }
        }
}
