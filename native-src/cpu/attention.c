/*
 * Causal attention over the KV cache in one pass, with a running max m and a running sum l (Milakov and Gimelshein
 * 2018, "Online normalizer calculation for softmax"; Dao et al. 2022, "FlashAttention").
 *
 * The past is taken in tiles of a cache block's 64 positions:
 *
 *   S = Q K^T                        scores of the tile
 *   m' = max(m, max(S))
 *   P = exp(S - m')
 *   l  = l exp(m - m') + sum(P)
 *   O  = O exp(m - m') + P V
 *
 * and O / l is the result. Up to MAX_ROWS rows of one sequence go through a tile together. Each row's numbers are
 * computed in the same order as if it were alone: where others see positions that it does not, its P is zero.
 *
 * S and P V are computed in attention_float.h for a cache of F32 and F16 and in attention_int8.h for one of INT8.
 */
#include "attention_float.h"
#include "attention_int8.h"
#include "simd_double.h"

enum {
    /* O and l are rescaled to a new max only where it exceeds the old one by as much (Zadouri et al. 2026,
     * "FlashAttention-4"): till then exponentials are up to e^8, which costs no accuracy. */
    SLACK = 8,
};

/* A row's online softmax: no score so far exceeds m by more than SLACK, and l, by lanes, sums up exp(score - m). */
struct softmax {
    float m;
    dvec l;
};

/* Rows of one sequence, as one head sees them; q, out and positions are row 0's. */
struct head_rows {
    const f32 *q;
    f32 *out;
    const i32 *positions;
    int64_t sequence, head, count;
    float scale;
};

struct buffers {
    float accumulated[ACCUMULATED] __attribute__((aligned(LINE_BYTES)));
    float scores[MAX_ROWS * TILE] __attribute__((aligned(LINE_BYTES)));
    struct float_buffers of_float;
    int64_t seen[MAX_ROWS];
    struct softmax softmax[MAX_ROWS];
    struct int8_buffers of_int8;
};

/* S becomes P for one row, of which `seen` positions count and the others become zero; m, l and O are rescaled if need
 * be. O has `channels` channels. */
INLINE void softmax_tile(float *scores, int64_t seen, float scale, struct softmax *row, float *accumulated,
                         int64_t channels)
{
    enum { VECTORS = TILE / LANES };
    vec score[VECTORS], largest = v_set(-INFINITY);
    UNROLL for (int i = 0; i < VECTORS; i++) {
        score[i] = v_load(scores + i * LANES) * scale;
        if (seen < TILE)
            score[i] = v_select(v_below(i * LANES, seen), score[i], v_set(-INFINITY));
        largest = v_max(score[i], largest);
    }
    if (v_exceeds(largest, v_set(row->m + SLACK))) {
        const float m = v_largest(largest), decay = v_exp(v_set(row->m - m))[0];
        row->m = m;
        row->l *= (double)decay;
        for (int64_t d = 0; d < channels; d += LANES)
            v_store(accumulated + d, v_load(accumulated + d) * decay);
    }

    /* While every score is -inf, -inf - -inf would turn weights of zero into NaN. */
    const float m = row->m == -INFINITY ? 0.0f : row->m;
    vec sum = {0};
    UNROLL for (int i = 0; i < VECTORS; i++) {
        const vec exponentials = v_exp(score[i] - m);
        v_store(scores + i * LANES, exponentials);
        sum += exponentials;
    }
    row->l += d_halves(sum);
}

/* out = O / l for one row of D channels; returns the lanes in which a result is NaN. */
INLINE dmask normalise_row(f32 *out, const float *accumulated, dvec l, int64_t D)
{
    const dvec inverse = d_set(1.0 / d_sum(l));
    dmask is_nan = {0};
    int64_t d = 0;
    for (; d + DLANES <= D; d += DLANES) {
        const dvec result = d_load(accumulated + d) * inverse;
        is_nan |= result != result;
        d_store(out + d, result);
    }
    if (d < D) {
        const dvec result = d_load_part(accumulated + d, D - d) * inverse;
        is_nan |= result != result;
        d_store_part(out + d, result, D - d);
    }
    return is_nan;
}

/* The tile of the positions from p0 on, for the rows from `first` on. */
INLINE struct tile_view tile_at(const struct head_rows *r, const struct isthmus_kv *kv, struct buffers *b, int64_t p0,
                                int64_t first)
{
    const int64_t past = r->positions[r->count - 1] + 1, p1 = p0 + TILE < past ? p0 + TILE : p0;
    for (int64_t i = first; i < r->count; i++)
        b->seen[i] = r->positions[i] + 1 - p0 < TILE ? r->positions[i] + 1 - p0 : TILE;
    return (struct tile_view){
        .kv = kv,
        .keys = key_tile(kv, r->sequence, p0, r->head),
        .values = value_tile(kv, r->sequence, p0, r->head),
        .next_keys = key_tile(kv, r->sequence, p1, r->head),
        .next_values = value_tile(kv, r->sequence, p1, r->head),
        .count = r->count - first,
        .first = first,
        .seen = b->seen + first,
        .q = r->q + first * 3 * kv->H * kv->D,
        .q_stride = 3 * kv->H * kv->D,
        .scores = b->scores,
        .accumulated = b->accumulated + first * value_stride(kv->D),
    };
}

/* Whether a result is NaN. */
static int attend(const struct head_rows *r, const struct isthmus_kv *kv, struct buffers *b)
{
    const int is_int8 = kv->type == ISTHMUS_TYPE_INT8;
    const int64_t D = kv->D, C = kv->H * D, channels = value_stride(D);
    for (int64_t i = 0; i < r->count; i++)
        b->softmax[i] = (struct softmax){-INFINITY, {0}};
    memset(b->accumulated, 0, (size_t)(r->count * channels) * sizeof(float));
    if (is_int8)
        round_queries(r->q, 3 * C, D, r->count, &b->of_int8);

    int64_t first = 0;
    for (int64_t p0 = 0; p0 <= r->positions[r->count - 1]; p0 += TILE) {
        while (r->positions[first] < p0)
            first++;
        const struct tile_view tile = tile_at(r, kv, b, p0, first);
        if (is_int8)
            int8_scores(&tile, &b->of_int8);
        else
            float_scores(&tile, &b->of_float);
        for (int64_t i = 0; i < tile.count; i++)
            softmax_tile(tile.scores + i * TILE, tile.seen[i], r->scale, &b->softmax[first + i],
                         tile.accumulated + i * channels, channels);
        if (is_int8)
            int8_accumulate(&tile, &b->of_int8);
        else
            float_accumulate(&tile, &b->of_float);
    }

    dmask is_nan = {0};
    for (int64_t i = 0; i < r->count; i++)
        is_nan |= normalise_row(r->out + i * C, b->accumulated + i * channels, b->softmax[i].l, D);
    int found = 0;
    for (int lane = 0; lane < DLANES; lane++)
        found |= is_nan[lane] != 0;
    return found;
}

/* The largest number of rows that go through a tile together. */
static int64_t max_rows(const struct isthmus_kv *kv)
{
    const int64_t fitting = ACCUMULATED / value_stride(kv->D), max = max_float_rows(kv);
    return fitting < max ? fitting : max;
}

void KERNEL(attention)(const struct isthmus_queries *queries, const struct isthmus_rows *rows,
                       const struct isthmus_kv *kv, int64_t t0, int64_t t1, int64_t h0, int64_t h1)
{
    struct buffers buffers;
    const i32 *positions = rows->positions, *sequences = rows->sequences;
    const int64_t D = kv->D, C = kv->H * D, max = max_rows(kv);
    for (int64_t h = h0; h < h1; h++)
        for (int64_t t = t0, count; t < t1; t += count) {
            for (count = 1; count < max && t + count < t1 && sequences[t + count] == sequences[t];)
                count++;
            struct head_rows r = {(const f32 *)queries->qkv + t * 3 * C + h * D, (f32 *)queries->out + t * C + h * D,
                                  positions + t, sequences[t], h, count, queries->scale};
            /* A probability of zero keeps a later position out, unless its value is not finite: zero times that is NaN.
             * Only a row alone is certain not to have met it. */
            if (!attend(&r, kv, &buffers) || count == 1)
                continue;
            for (r.count = 1; r.positions < positions + t + count; r.positions++) {
                attend(&r, kv, &buffers);
                r.q += 3 * C;
                r.out += C;
            }
        }
}
