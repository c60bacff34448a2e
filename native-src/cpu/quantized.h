/* The forms of quantised weights and activations that isthmus.h describes. */
#ifndef ISTHMUS_QUANTIZED_H
#define ISTHMUS_QUANTIZED_H

#include "kernels.h"

enum {
    Q4_BLOCK_BYTES = ISTHMUS_Q4_BLOCK / 2 * ISTHMUS_PANEL + ISTHMUS_PANEL * 2,
};

/* Of a block of a row's inputs. Rows lie at any address. */
struct row_block {
    float scale;
    int32_t start;
} __attribute__((packed));

static inline int64_t block_inputs(int32_t type)
{
    switch (type) {
    case ISTHMUS_TYPE_INT8:
        return ISTHMUS_INT8_BLOCK;
    case ISTHMUS_TYPE_Q4:
        return ISTHMUS_Q4_BLOCK;
    default:
        return 1;
    }
}

/* The bytes of one panel of K inputs. */
static inline int64_t panel_bytes(int32_t type, int64_t K)
{
    const int64_t blocks = rounded_up(K, block_inputs(type)) / block_inputs(type);
    switch (type) {
    case ISTHMUS_TYPE_F32:
        return K * ISTHMUS_PANEL * 4;
    case ISTHMUS_TYPE_INT8:
        return rounded_up(K, 4) * ISTHMUS_PANEL + blocks * ISTHMUS_PANEL * 2;
    case ISTHMUS_TYPE_Q4:
        return blocks * Q4_BLOCK_BYTES;
    default:
        return K * ISTHMUS_PANEL * 2;
    }
}

static inline int64_t quantized_row_bytes(int32_t type, int64_t K)
{
    const int64_t blocks = rounded_up(K, block_inputs(type)) / block_inputs(type);
    return rounded_up(K, ISTHMUS_Q4_BLOCK) + blocks * (int64_t)sizeof(struct row_block);
}

/* The blocks of the row of K inputs that begins at q. */
static inline const struct row_block *row_blocks(const char *q, int64_t K)
{
    return (const struct row_block *)(const void *)(q + rounded_up(K, ISTHMUS_Q4_BLOCK));
}

#endif
