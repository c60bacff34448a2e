/* Quantizes activations to bytes, for products with quantized weights. */
#include "quantized.h"

void KERNEL(quantize)(const f32 *restrict x, int32_t type, void *restrict q, int64_t K, int64_t t0, int64_t t1)
{
    const int64_t size = block_inputs(type), row_bytes = quantized_row_bytes(type, K);
    const int32_t offset = type == ISTHMUS_TYPE_INT8 ? 128 : 8;
    for (int64_t t = t0; t < t1; t++) {
        const f32 *row = x + t * K;
        char *to = (char *)q + t * row_bytes;
        struct row_block *blocks = (struct row_block *)(uintptr_t)row_blocks(to, K);
        for (int64_t k = 0; k < K; k += size)
            blocks[k / size] = round_to_bytes(row + k, K - k < size ? K - k : size, (int8_t *)to + k, offset);
        memset(to + K, 0, (size_t)(rounded_up(K, ISTHMUS_Q4_BLOCK) - K));
    }
}
