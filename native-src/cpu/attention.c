/*
 * Causal attention over the KV cache, one pass with a running maximum and sum (Milakov and Gimelshein 2018, "Online
 * normalizer calculation for softmax"; Dao et al. 2022, "FlashAttention").
 *
 * The past is taken in tiles of a cache block's 64 positions. Its keys lie [D, 64] there and its values [64, D'], so
 * that both products, queries by keys and probabilities by values, are those of a panel of weights (tile.h). Up to
 * ROWS rows of one sequence go through a tile together. Each row's numbers are computed in the same order as if it were
 * alone: where others see positions that it does not, its probability there is zero.
 *
 * Keys of bytes are multiplied with queries of bytes, exactly. Values of bytes are weighted with integers of two bytes,
 * the upper and the lower one apart, exactly too: probabilities times the values' scales, rounded to 1 / 65535 of the
 * tile's largest.
 */
#include "quantized.h"
#include "simd_double.h"
#include "tile.h"

enum {
    TILE = ISTHMUS_CACHE_BLOCK,
    ROWS = 16 * TILE_ROWS,
    CHAIN = 32, /* head channels that are added up one after another; then these sums are */
    ACCUMULATED = ROWS * 64, /* floats: ROWS rows of the usual 64 head channels, fewer of wider ones */
    WIDENED_CHANNELS = 128,  /* of heads whose F16 values are widened to float for many rows at once */
    STEP = 4 * TILE,         /* bytes of four channels' keys */
    VALUE_WIDTH = TILE_WIDTH / 2, /* each vector of values has two sums */
    MOST_WEIGHT = 65535,

    /* A row's sums are brought down to a new maximum only where it is so far above the old one (Zadouri et al. 2026,
     * "FlashAttention-4"): till then exponentials are up to e^8, which costs no accuracy. */
    SLACK = 8,
};

/* What a row's softmax has come to: a score that none so far exceeds by more than SLACK and, by lanes, the sum of
 * exponentials relative to it. */
struct running {
    float base;
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
    int8_t queries[ACCUMULATED]; /* as bytes, value_stride(D) apart */
    struct row_block query_blocks[ROWS];
    int8_t weights[ROWS * 2 * TILE]; /* as integers: each row's upper bytes, then its lower ones */
    float units[ROWS];               /* what 1 of a row's integers stands for */
};

/* sums[i] (+)= x[i] . w for each of `rows` rows, w [depth, w_stride] elements of the cache's type: one group of rows
 * widens them to float as it goes, several share what is widened once. Of several, `depths`, in rising order and the
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

INLINE void product_of_type(const struct operands *o, int32_t type, int64_t rows_count)
{
    const struct tile tile = {.x = o->x, .x_stride = o->x_stride, .w = o->w, .w_stride = o->w_stride,
                              .depth = o->depth, .sums = o->sums, .sums_stride = o->sums_stride, .add = o->add,
                              .coming = o->coming};
#define CALL(t, rows) run_tile(&tile, type, rows, o->w_stride, (int)element_bytes(type));
    FOR_ROW_GROUPS(rows_count, CALL)
#undef CALL
}

/* One group of rows. Not inlined: it is the larger part of this file's code, and few rows wait for memory. */
__attribute__((noinline)) static void product_of_few(const struct operands *o, int32_t type, int64_t rows_count)
{
    if (type == ISTHMUS_TYPE_F32)
        product_of_type(o, ISTHMUS_TYPE_F32, rows_count);
    else
        product_of_type(o, ISTHMUS_TYPE_F16, rows_count);
}

INLINE void product(const struct operands *o, int32_t type, int64_t rows_count, float *widened)
{
    if (rows_count <= TILE_ROWS) {
        product_of_few(o, type, rows_count);
        return;
    }
    if (type == ISTHMUS_TYPE_F16)
        widen(widened, o->w, ISTHMUS_TYPE_F16, o->depth, o->w_stride);
    struct tile tile = {.x_stride = o->x_stride, .w = type == ISTHMUS_TYPE_F32 ? (const void *)o->w : widened,
                        .w_stride = o->w_stride, .sums_stride = o->sums_stride, .add = o->add};
#define CALL(t, rows)                                              \
    tile.x = o->x + t * o->x_stride;                               \
    tile.sums = o->sums + t * o->sums_stride;                      \
    tile.depth = o->depths ? o->depths[t + rows - 1] : o->depth;   \
    run_tile(&tile, ISTHMUS_TYPE_F32, rows, o->widths ? rounded_up(o->widths[t + rows - 1], 16) : o->w_stride, 0);
    FOR_ROW_GROUPS(rows_count, CALL)
#undef CALL
}

/* Rounds a head's queries to bytes. */
INLINE void round_queries(const struct queries *r, const struct kv_cache *cache, struct buffers *b)
{
    const int64_t D = cache->D, stride = value_stride(D);
    for (int64_t i = 0; i < r->count; i++) {
        int8_t *query = b->queries + i * stride;
        b->query_blocks[i] = round_to_bytes(r->q + i * 3 * cache->H * D, D, query, 128);
        memset(query + D, 0, (size_t)(stride - D));
    }
}

/* The scores of `rows` rows for the positions of some columns: byte queries by byte keys and both scales. */
INLINE void byte_scores(const int8_t *queries, int64_t stride, const struct row_block *blocks, const uint8_t *keys,
                        const f32 *scales, int64_t D, int64_t column, float *scores, int rows, int width,
                        const char *coming)
{
    vmask sum[TILE_ROWS][ALONE_WIDTH];
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int j = 0; j < width; j++)
            sum[i][j] = blocks[i].start - (vmask){0};
    for (int64_t d = 0; d < D; d += 4) {
        vbytes key[ALONE_WIDTH];
        UNROLL for (int j = 0; j < width; j++)
            key[j] = b_load(keys + d * TILE + (column + j * LANES) * 4);
        UNROLL for (int j = 0; j < STEP / LINE_BYTES; j++)
            if (coming)
                __builtin_prefetch(coming + d * TILE + j * LINE_BYTES, 0, 2);
        UNROLL for (int i = 0; i < rows; i++) {
            const vmask query = b_set4(queries + i * stride + d);
            UNROLL for (int j = 0; j < width; j++)
                sum[i][j] = b_dot(sum[i][j], key[j], query);
        }
    }
    UNROLL for (int j = 0; j < width; j++) {
        const vec scale = v_load(scales + column + j * LANES);
        UNROLL for (int i = 0; i < rows; i++)
            v_store(scores + i * TILE + column + j * LANES, v_of_ints(sum[i][j]) * (blocks[i].scale * scale));
    }
}

/* The scales of a tile that is to come, which its bytes' fetching does not reach. */
INLINE void fetch_scales(const char *scales)
{
    for (int64_t i = 0; i < TILE * (int64_t)sizeof(f32); i += LINE_BYTES)
        __builtin_prefetch(scales + i, 0, 2);
}

/* As `product` for keys of bytes. */
INLINE void score_bytes(struct buffers *b, const struct kv_cache *cache, char *keys, int64_t first, int64_t count,
                        const char *coming)
{
    const int64_t D = cache->D, stride = value_stride(D);
    const f32 *scales = key_scales(cache, keys);
    const int few = count <= TILE_ROWS;
    if (few)
        fetch_scales(coming + key_bytes(cache));
#define CALL(t, rows)                                                                                           \
    const int8_t *queries = b->queries + (first + t) * stride;                                                  \
    const struct row_block *blocks = b->query_blocks + first + t;                                               \
    const int64_t seen = b->depths[first + t + rows - 1];                                                       \
    const int width = rows == 1 ? ALONE_WIDTH : TILE_WIDTH;                                                     \
    for (int64_t n = 0; n < seen; n += width * LANES)                                                           \
        byte_scores(queries, stride, blocks, (const uint8_t *)keys, scales, D, n, b->scores + t * TILE, rows,   \
                    width, few && n == 0 ? coming : 0);
    FOR_ROW_GROUPS(count, CALL)
#undef CALL
}

/* Which of the positions from i on are below count. */
INLINE vmask below(int64_t i, int64_t count)
{
    vmask lane;
    for (int j = 0; j < LANES; j++)
        lane[j] = j;
    return lane + (int32_t)i < (int32_t)count;
}

/* Turns a row's scores of one tile, of which `count` are of positions that it sees, into exponentials, zero for the
 * others, and scales what the row has accumulated so far down to their maximum, if need be. */
INLINE void weigh(float *scores, int64_t count, float scale, struct running *running, float *accumulated,
                  int64_t channels)
{
    enum { VECTORS = TILE / LANES };
    vec score[VECTORS], largest = v_set(-INFINITY);
    UNROLL for (int i = 0; i < VECTORS; i++) {
        score[i] = v_load(scores + i * LANES) * scale;
        if (count < TILE)
            score[i] = v_select(below(i * LANES, count), score[i], v_set(-INFINITY));
        largest = v_max(score[i], largest);
    }
    if (v_exceeds(largest, v_set(running->base + SLACK))) {
        const float base = v_largest(largest), decay = v_exp(v_set(running->base - base))[0];
        running->base = base;
        running->sum *= (double)decay;
        for (int64_t d = 0; d < channels; d += LANES)
            v_store(accumulated + d, v_load(accumulated + d) * decay);
    }

    /* While every score is -inf, -inf - -inf would turn weights of zero into NaN. */
    const float shift = running->base == -INFINITY ? 0.0f : running->base;
    vec sums = {0};
    UNROLL for (int i = 0; i < VECTORS; i++) {
        const vec exponentials = v_exp(score[i] - shift);
        v_store(scores + i * LANES, exponentials);
        sums += exponentials;
    }
    running->sum += d_halves(sums);
}

/* Rounds a row's `count` weights, times their values' scales, to integers; returns what 1 of these stands for. Later
 * positions weigh zero, whatever their scales are. */
INLINE float round_weights(const float *weights, int64_t count, const f32 *scales, int8_t *upper)
{
    float scaled[TILE] __attribute__((aligned(64)));
    for (int64_t i = 0; i < TILE; i += LANES)
        v_store(scaled + i, v_select(below(i, count), v_load(weights + i) * v_load(scales + i), v_set(0.0f)));
    const float largest = largest_magnitude(scaled, TILE);
    const float inverse = inverse_scale(largest, MOST_WEIGHT);
    for (int64_t i = 0; i < TILE; i += LANES) {
        const vmask integers = nearest_ints(v_load(scaled + i) * inverse);
        b_store_ints(upper + i, integers >> 8);
        b_store_ints(upper + TILE + i, integers);
    }
    return largest / MOST_WEIGHT;
}

/* accumulated[i, n] += the values of `depth` positions, weighted, for `rows` rows and `width` vectors of channels. */
INLINE void weighted_values(const int8_t *weights, const float *units, const uint8_t *values, int64_t channels,
                            int64_t depth, int64_t n, float *accumulated, int rows, int width, const char *coming)
{
    vmask upper[TILE_ROWS][ALONE_WIDTH], lower[TILE_ROWS][ALONE_WIDTH];
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int j = 0; j < width; j++)
            upper[i][j] = lower[i][j] = (vmask){0};
    for (int64_t p = 0; p < depth; p += 4) {
        const int64_t at = p * channels + n * 4;
        vmask value[ALONE_WIDTH];
        UNROLL for (int j = 0; j < width; j++) {
            value[j] = (vmask)b_load(values + at + j * LANES * 4);
            if (coming)
                __builtin_prefetch(coming + at + j * LANES * 4, 0, 2);
        }
        UNROLL for (int i = 0; i < rows; i++) {
            const int8_t *weight = weights + i * 2 * TILE + p;
            UNROLL for (int j = 0; j < width; j++) {
                upper[i][j] = b_dot(upper[i][j], (vbytes)b_set4(weight), value[j]);
                lower[i][j] = b_dot(lower[i][j], (vbytes)b_set4(weight + TILE), value[j]);
            }
        }
    }
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int j = 0; j < width; j++) {
            float *to = accumulated + i * channels + n + j * LANES;
            const vec sum = v_of_ints(upper[i][j] * 256 + lower[i][j]);
            v_store(to, v_fma(sum, v_set(units[i]), v_load(to)));
        }
}

/* As `product` for weights and values of bytes. */
INLINE void add_value_bytes(const struct buffers *b, const struct kv_cache *cache, const char *values, int64_t first,
                            int64_t count, float *accumulated, const char *coming)
{
    const int64_t channels = value_stride(cache->D);
    if (count <= TILE_ROWS)
        fetch_scales(coming + value_bytes(cache));
    else
        coming = 0;
#define CALL(t, rows)                                                                                            \
    const int8_t *weights = b->weights + t * 2 * TILE;                                                           \
    const uint8_t *bytes = (const uint8_t *)values;                                                              \
    const int64_t depth = b->depths[first + t + rows - 1];                                                       \
    float *to = accumulated + t * channels;                                                                      \
    int64_t n = 0;                                                                                               \
    const int width = rows == 1 ? ALONE_WIDTH : VALUE_WIDTH;                                                     \
    for (; n + width * LANES <= channels; n += width * LANES)                                                    \
        weighted_values(weights, b->units + t, bytes, channels, depth, n, to, rows, width, coming);              \
    for (; n < channels; n += LANES)                                                                             \
        weighted_values(weights, b->units + t, bytes, channels, depth, n, to, rows, 1, coming);
    FOR_ROW_GROUPS(count, CALL)
#undef CALL
}

/* Whether a result is NaN. */
static int attend(const struct queries *r, const struct kv_cache *cache, struct buffers *b)
{
    const int32_t type = cache->type;
    const int64_t D = cache->D, C = cache->H * D, channels = value_stride(D);
    for (int64_t i = 0; i < r->count; i++)
        b->running[i] = (struct running){-INFINITY, {0}};
    memset(b->accumulated, 0, (size_t)(r->count * channels) * sizeof(float));
    if (type == ISTHMUS_TYPE_INT8)
        round_queries(r, cache, b);

    const int64_t past = r->positions[r->count - 1] + 1;
    int64_t first = 0;
    for (int64_t p0 = 0; p0 < past; p0 += TILE) {
        while (r->positions[first] < p0)
            first++;
        const int64_t count = r->count - first;
        for (int64_t i = first; i < r->count; i++)
            b->depths[i] = r->positions[i] + 1 - p0 < TILE ? r->positions[i] + 1 - p0 : TILE;
        char *values = value_tile(cache, r->sequence, p0, r->head);
        const int64_t p1 = p0 + TILE < past ? p0 + TILE : p0;
        const char *next_keys = key_tile(cache, r->sequence, p1, r->head);
        const char *next = type == ISTHMUS_TYPE_INT8 ? value_tile(cache, r->sequence, p1, r->head) : next_keys;
        float *accumulated = b->accumulated + first * channels;

        char *keys = key_tile(cache, r->sequence, p0, r->head);
        if (type == ISTHMUS_TYPE_INT8)
            score_bytes(b, cache, keys, first, count, next_keys);
        for (int64_t d = 0; d < D && type != ISTHMUS_TYPE_INT8; d += CHAIN) {
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
        if (type == ISTHMUS_TYPE_INT8) {
            for (int64_t i = 0; i < count; i++)
                b->units[i] = round_weights(b->scores + i * TILE, b->depths[first + i], value_scales(cache, values),
                                            b->weights + i * 2 * TILE);
            add_value_bytes(b, cache, values, first, count, accumulated, next);
            continue;
        }
        const struct operands sums = {
            .x = b->scores, .x_stride = TILE, .w = values, .w_stride = channels, .depth = b->depths[r->count - 1],
            .depths = b->depths + first, .sums = accumulated, .sums_stride = channels, .add = 1, .coming = next};
        product(&sums, type, count, b->widened);
    }

    dmask is_nan = {0};
    for (int64_t i = 0; i < r->count; i++) {
        const dvec inverse = d_set(1.0 / d_sum(b->running[i].sum));
        int64_t d = 0;
        for (; d + DLANES <= D; d += DLANES) {
            const dvec result = d_load(b->accumulated + i * channels + d) * inverse;
            is_nan |= result != result;
            d_store(r->out + i * C + d, result);
        }
        if (d < D) {
            const dvec result = d_load_part(b->accumulated + i * channels + d, D - d) * inverse;
            is_nan |= result != result;
            d_store_part(r->out + i * C + d, result, D - d);
        }
    }
    int found = 0;
    for (int lane = 0; lane < DLANES; lane++)
        found |= is_nan[lane] != 0;
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
            /* A probability of zero keeps a later position out, unless its value is not finite: zero times that is NaN.
             * Only a row alone is certain not to have met it. */
            if (!attend(&queries, cache, &buffers) || rows == 1)
                continue;
            for (queries.count = 1; queries.positions < positions + t + rows; queries.positions++) {
                attend(&queries, cache, &buffers);
                queries.q += 3 * C;
                queries.out += C;
            }
        }
}
