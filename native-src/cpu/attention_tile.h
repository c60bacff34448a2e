/* One tile of the past as one head's queries see it, shared by attention over cached floats and over cached bytes. */
#ifndef ISTHMUS_ATTENTION_TILE_H
#define ISTHMUS_ATTENTION_TILE_H

#include "gemm.h"
#include "kv.h"

enum {
    TILE = ISTHMUS_CACHE_BLOCK, /* positions */
    MAX_ROWS = 16 * MR,
    ACCUMULATED = MAX_ROWS * 64, /* floats: MAX_ROWS rows of the usual 64 head channels, fewer of wider ones */
};

/* The keys and values of TILE positions, and the rows that see at least one of them. All arrays are the first row's. */
struct tile_view {
    const struct isthmus_kv *kv;
    char *keys, *values;
    const char *next_keys, *next_values; /* the next tile's, to prefetch; this one's where it is the last */
    int64_t count;                       /* rows */
    int64_t first;                       /* the first row's number among the rows that are computed together */
    const int64_t *seen;                 /* [count] how many of the positions each row sees, in ascending order */
    const f32 *q;                        /* queries, q_stride apart */
    int64_t q_stride;
    float *scores;      /* [count, TILE] q . keys; then the softmax's exponentials */
    float *accumulated; /* [count, D'] exponentials . values, summed up over tiles */
};

#endif
