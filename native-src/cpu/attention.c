/*
 * Causal attention over the KV cache, one pass with a running maximum and sum (Milakov and Gimelshein 2018, "Online
 * normalizer calculation for softmax"; Dao et al. 2022, "FlashAttention").
 *
 * The past is taken in tiles of TILE positions, counted from position 0 whatever the cache's block size. A tile's
 * keys and values are used by up to GROUP consecutive rows of one sequence while they are in the L1 cache. Each row
 * does the same operations in the same order as if it were alone, so its bits depend neither on the grouping nor on
 * the cache's blocks.
 */
#include <math.h>

#include "kernels.h"

enum {
    TILE = 64,      /* positions; a multiple of LANES at every level */
    GROUP = 8,      /* rows */
    SCORE_ROWS = 4, /* keys scored side by side, to hide the latency of FMA */
    WIDE = 8,       /* vectors of values summed side by side, for the same reason, */
    NARROW = 4,     /* or where the head is too small for that */
};

/* One tile of one head's past. Behind the last position, it is repeated up to a multiple of LANES. */
struct tile {
    const f32 *keys[TILE];
    const f32 *values[TILE];
};

/* The running softmax of one row: the maximum score so far and the sum of exponentials relative to it. */
struct running {
    float maximum;
    double sum;
};

/* The addresses of positions [p0, p0 + count), walking the cache a block at a time. */
static void find_tile(struct tile *tile, const struct kv_cache *cache, int64_t sequence, int64_t h, int64_t p0,
                      int64_t count)
{
    const int64_t size = cache->block_positions;
    int64_t i = 0;
    while (i < count) {
        const f32 *key = key_row(cache, sequence, p0 + i, h);
        const int64_t left = size - (p0 + i) % size;
        const int64_t end = left < count - i ? i + left : count;
        for (; i < end; i++, key += cache->D) {
            tile->keys[i] = key;
            tile->values[i] = key + value_offset(cache);
        }
    }
    for (; i % LANES != 0; i++) {
        tile->keys[i] = tile->keys[count - 1];
        tile->values[i] = tile->values[count - 1];
    }
}

/* scores[i] = scale * q . keys[i] for i in [0, count), and -inf behind them up to a multiple of LANES; returns the
 * largest. With fetch, the values are fetched meanwhile, which will be needed next. */
INLINE float score(float *scores, const struct tile *tile, const f32 *q, int64_t D, int64_t count, float scale,
                   int fetch)
{
    vec largest = v_set(-INFINITY);
    for (int64_t i = 0; i < count; i += LANES) {
        vec products[LANES];
        for (int j = 0; j < LANES; j += SCORE_ROWS) {
            const f32 *const *keys = tile->keys + i + j;
            vec sum[SCORE_ROWS] = {{0}};
            int64_t d = 0;
            for (; d + LANES <= D; d += LANES) {
                const vec query = v_load(q + d);
                if (fetch)
                    for (int r = 0; r < SCORE_ROWS; r++)
                        __builtin_prefetch((const char *)(tile->values[i + j + r] + d), 0, 2);
                for (int r = 0; r < SCORE_ROWS; r++)
                    sum[r] = v_fma(query, v_load(keys[r] + d), sum[r]);
            }
            if (d < D) {
                const vec query = v_load_part(q + d, D - d);
                for (int r = 0; r < SCORE_ROWS; r++)
                    sum[r] = v_fma(query, v_load_part(keys[r] + d, D - d), sum[r]);
            }
            for (int r = 0; r < SCORE_ROWS; r++)
                products[j + r] = sum[r];
        }
        v_store(scores + i, v_sums(products) * scale);
        for (int64_t beyond = count; beyond < i + LANES; beyond++)
            scores[beyond] = -INFINITY;
        largest = v_max(v_load(scores + i), largest);
    }
    return v_largest(largest);
}

/* out[d] = out[d] * decay + sum over i of weights[i] * values[i][d], for `vectors` vectors from d; with part > 0 for
 * the first part lanes of one vector. */
INLINE void add_values(f32 *out, const struct tile *tile, const float *weights, int64_t count, float decay, int64_t d,
                       int vectors, int64_t part)
{
    vec sum[WIDE] = {{0}};
    for (int64_t i = 0; i < count; i++) {
        const vec weight = v_set(weights[i]);
        const f32 *value = tile->values[i] + d;
        for (int j = 0; j < vectors; j++)
            sum[j] = v_fma(weight, part ? v_load_part(value, part) : v_load(value + j * LANES), sum[j]);
    }
    for (int j = 0; j < vectors; j++) {
        f32 *o = out + d + j * LANES;
        if (part)
            v_store_part(o, v_fma(v_load_part(o, part), v_set(decay), sum[j]), part);
        else
            v_store(o, v_fma(v_load(o), v_set(decay), sum[j]));
    }
}

/* Takes one row through one tile of count positions. out holds the sum of the values so far, weighted relative to
 * the running maximum. fetch: whether the row is the first to use the tile. */
static void attend(f32 *out, struct running *running, const struct tile *tile, const f32 *q, int64_t D, int64_t count,
                   float scale, int fetch)
{
    float weights[TILE];
    const float largest = fetch ? score(weights, tile, q, D, count, scale, 1)
                                : score(weights, tile, q, D, count, scale, 0);
    const float maximum = largest > running->maximum ? largest : running->maximum;
    /* While every score is -inf, -inf - -inf would turn weights of zero into NaN. */
    const float shift = maximum == -INFINITY ? 0.0f : maximum;

    double sum = 0;
    for (int64_t i = 0; i < count; i += LANES) {
        v_store(weights + i, v_exp(v_load(weights + i) - shift));
        sum += d_sum(d_load(weights + i) + d_load(weights + i + DLANES));
    }
    const float decay = v_exp(v_set(running->maximum - shift))[0];
    running->sum = running->sum * (double)decay + sum;
    running->maximum = maximum;

    int64_t d = 0;
    for (; d + WIDE * LANES <= D; d += WIDE * LANES)
        add_values(out, tile, weights, count, decay, d, WIDE, 0);
    for (; d + NARROW * LANES <= D; d += NARROW * LANES)
        add_values(out, tile, weights, count, decay, d, NARROW, 0);
    for (; d + LANES <= D; d += LANES)
        add_values(out, tile, weights, count, decay, d, 1, 0);
    if (d < D)
        add_values(out, tile, weights, count, decay, d, 1, D - d);
}

static void divide(f32 *out, int64_t D, double sum)
{
    const dvec inverse = d_set(1.0 / sum);
    int64_t d = 0;
    for (; d + DLANES <= D; d += DLANES)
        d_store(out + d, d_load(out + d) * inverse);
    if (d < D)
        d_store_part(out + d, d_load_part(out + d, D - d) * inverse, D - d);
}

/* One head of rows [t, t + rows), all of one sequence; q and out are row t's. */
static void group(const f32 *q, f32 *out, const i32 *positions, int64_t sequence, const struct kv_cache *cache,
                  float scale, int64_t h, int64_t rows)
{
    const int64_t D = cache->D, C = cache->H * D;
    struct running running[GROUP];
    int64_t past = 0;
    for (int64_t r = 0; r < rows; r++) {
        running[r] = (struct running){-INFINITY, 0.0};
        memset(out + r * C, 0, (size_t)D * sizeof(float));
        past = positions[r] + 1 > past ? positions[r] + 1 : past;
    }

    for (int64_t p0 = 0; p0 < past; p0 += TILE) {
        struct tile tile;
        find_tile(&tile, cache, sequence, h, p0, past - p0 < TILE ? past - p0 : TILE);
        for (int64_t r = 0; r < rows; r++) {
            const int64_t count = positions[r] + 1 - p0;
            if (count > 0)
                attend(out + r * C, &running[r], &tile, q + r * 3 * C, D, count < TILE ? count : TILE, scale, r == 0);
        }
    }

    for (int64_t r = 0; r < rows; r++)
        divide(out + r * C, D, running[r].sum);
}

void KERNEL(attention)(const f32 *restrict qkv, f32 *restrict out, const i32 *positions, const i32 *sequences,
                       const struct kv_cache *cache, float scale, int64_t t0, int64_t t1, int64_t h0, int64_t h1)
{
    const int64_t D = cache->D, C = cache->H * D;
    for (int64_t h = h0; h < h1; h++)
        for (int64_t t = t0, rows; t < t1; t += rows) {
            for (rows = 1; rows < GROUP && t + rows < t1 && sequences[t + rows] == sequences[t];)
                rows++;
            group(qkv + t * 3 * C + h * D, out + t * C + h * D, positions + t, sequences[t], cache, scale, h, rows);
        }
}
