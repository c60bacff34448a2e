#include "batch.h"

#include <math.h>
#include <stdlib.h>

void batch_new(struct batch *b, int64_t T, int64_t H, int64_t D, int64_t past, int32_t type, float peak)
{
    *b = (struct batch){.T = T, .H = H, .D = D, .type = type};
    b->scale = peak / sqrtf((float)D);
    b->qkv = tensor_random(T * 3 * H * D, (int)(D % 4));
    int64_t length[BATCH_SEQUENCES] = {past, random_below(past + 1), random_below(past + 1)};
    const int32_t first = (int32_t)random_below(BATCH_SEQUENCES);
    /* Half of the batches are one sequence's. */
    const int64_t end = random_below(2) ? T : random_below(T + 1), second_end = end + random_below(T - end + 1);
    for (int64_t t = 0; t < T; t++) {
        b->sequences[t] = (first + (t >= end) + (t >= second_end)) % BATCH_SEQUENCES;
        b->positions[t] = (int32_t)length[b->sequences[t]]++;
    }
    cache_new(&b->cache, BATCH_SEQUENCES, past + T, type, BATCH_LAYER_OFFSET, H, D);
    for (int32_t s = 0; s < BATCH_SEQUENCES; s++)
        for (int64_t i = 0; i < length[s] * 2 * H; i++) {
            float x[ISTHMUS_MAX_HEAD_CHANNELS];
            for (int64_t d = 0; d < D; d++)
                x[d] = random_float();
            cache_set_all(&b->cache, i % 2 != 0, s, i / (2 * H), i / 2 % H, x);
        }
}

void batch_free(struct batch *b)
{
    tensor_free(&b->qkv);
    cache_free(&b->cache);
}

int32_t attend(const struct batch *b, int32_t level, struct tensor *out, int64_t t0, int64_t t1, int64_t h0, int64_t h1)
{
    const struct isthmus_rows rows = {0, b->positions, b->sequences};
    const struct isthmus_kv kv = {b->cache.blocks, b->cache.block_start, BATCH_LAYER_OFFSET, b->H, b->D, b->type};
    return isthmus_attention(level, STRUCT(queries, b->qkv.data, out->data, b->scale), &rows, &kv, t0, t1, h0, h1);
}

/* A head's query, rounded to bytes where keys are. */
static void query_of(const struct batch *b, int64_t t, int64_t h, double *query)
{
    const int64_t D = b->D;
    float x[ISTHMUS_MAX_HEAD_CHANNELS] = {0};
    int bytes[ISTHMUS_MAX_HEAD_CHANNELS];
    for (int64_t d = 0; d < D; d++)
        x[d] = get(&b->qkv, t * 3 * b->H * D + h * D + d);
    const float scale = round_to_scale(x, D, bytes);
    for (int64_t d = 0; d < D; d++)
        query[d] = b->type == ISTHMUS_TYPE_INT8 ? (double)scale * bytes[d] : (double)x[d];
}

double attention_of(const struct batch *b, int64_t t, int64_t h, double *out)
{
    const int64_t D = b->D, past = b->positions[t] + 1;
    const int32_t s = b->sequences[t];
    double *score = malloc((size_t)past * sizeof *score), maximum = -INFINITY, sum = 0;
    double query[ISTHMUS_MAX_HEAD_CHANNELS];
    query_of(b, t, h, query);
    for (int64_t p = 0; p < past; p++) {
        score[p] = 0;
        for (int64_t d = 0; d < D; d++)
            score[p] += (double)b->scale * query[d] * cache_get(&b->cache, 0, s, p, h, d);
        maximum = fmax(maximum, score[p]);
    }
    for (int64_t d = 0; d < D; d++)
        out[d] = 0;
    double rounding = 0;
    for (int64_t p0 = 0; p0 < past; p0 += 64) {
        const int64_t end = p0 + 64 < past ? p0 + 64 : past;
        double largest = 0;
        for (int64_t p = p0; p < end; p++) {
            const double weight = exp(score[p] - maximum);
            sum += weight;
            largest = fmax(largest, weight * cache_scale(&b->cache, 1, s, p, h));
            for (int64_t d = 0; d < D; d++)
                out[d] += weight * cache_get(&b->cache, 1, s, p, h, d);
        }
        rounding += (double)(end - p0) * 127 * 0.5 * largest / 65535;
    }
    for (int64_t d = 0; d < D; d++)
        out[d] /= sum;
    free(score);
    return rounding / sum;
}
