/* A batch of rows for attention: the rows of one sequence after those of another, each sequence with a past. */
#ifndef ISTHMUS_TEST_BATCH_H
#define ISTHMUS_TEST_BATCH_H

#include "cache.h"

enum { BATCH_MAX_T = 200, BATCH_SEQUENCES = 3, BATCH_LAYER_OFFSET = 20 };

struct batch {
    int64_t T, H, D;
    float scale;
    int32_t type, positions[BATCH_MAX_T], sequences[BATCH_MAX_T];
    struct tensor qkv;
    struct cache cache;
};

/* T rows of one to three sequences, the first with `past` positions, the others with at most as many. All positions up
 * to a sequence's last row are random in the cache, those after it NaN. peak: how far the scores spread. */
void batch_new(struct batch *b, int64_t T, int64_t H, int64_t D, int64_t past, int32_t type, float peak);
void batch_free(struct batch *b);
int32_t attend(const struct batch *b, int32_t level, struct tensor *out, int64_t t0, int64_t t1, int64_t h0,
               int64_t h1);
/* out[0..D) in double: softmax(scale q . K) . V for row t and head h; q is rounded where K is INT8. Returns by how much
 * an element may differ since INT8's weights are rounded. */
double attention_of(const struct batch *b, int64_t t, int64_t h, double *out);

#endif
