#include "kernels.h"
#include "quantized.h"
#include "simd_narrow.h"

/* The weight of input k in column c of a panel. */
static float weight_at(const char *panel, int32_t type, int64_t K, int64_t k, int64_t c)
{
    enum { PANEL = ISTHMUS_PANEL };
    switch (type) {
    case ISTHMUS_TYPE_F32:
        return ((const f32 *)(const void *)panel)[k * PANEL + c];
    case ISTHMUS_TYPE_F16:
        return f16_value(((const u16 *)(const void *)panel)[k * PANEL + c]);
    case ISTHMUS_TYPE_BF16:
        return bf16_value(((const u16 *)(const void *)panel)[k * PANEL + c]);
    case ISTHMUS_TYPE_INT8: {
        const int64_t k0 = k / ISTHMUS_INT8_BLOCK * ISTHMUS_INT8_BLOCK, i = k - k0;
        const int64_t depth = K - k0 < ISTHMUS_INT8_BLOCK ? rounded_up(K - k0, 4) : ISTHMUS_INT8_BLOCK;
        const uint8_t *block = (const uint8_t *)panel + panel_bytes(type, k0);
        const u16 *scales = (const u16 *)(const void *)(block + depth * PANEL);
        return f16_value(scales[c]) * (float)(block[i / 4 * 4 * PANEL + c * 4 + i % 4] - 128);
    }
    default: {
        const int64_t i = k % ISTHMUS_Q4_BLOCK;
        const uint8_t *block = (const uint8_t *)panel + panel_bytes(type, k - i);
        const u16 *scales = (const u16 *)(const void *)(block + ISTHMUS_Q4_BLOCK / 2 * PANEL);
        const int byte = block[i / 8 * 4 * PANEL + c * 4 + i % 4];
        return f16_value(scales[c]) * (float)((i % 8 < 4 ? byte & 15 : byte >> 4) - 8);
    }
    }
}

void KERNEL(embedding)(const struct isthmus_matrix *wte, const f32 *restrict wpe, const struct isthmus_rows *rows,
                       f32 *restrict x, int64_t t0, int64_t t1)
{
    const int64_t C = wte->K;
    const i32 *tokens = rows->tokens, *positions = rows->positions;
    for (int64_t t = t0; t < t1; t++) {
        const int64_t token = tokens[t];
        const char *panel = (const char *)wte->data + token / ISTHMUS_PANEL * panel_bytes(wte->type, C);
        const f32 *position = wpe + positions[t] * C;
        for (int64_t c = 0; c < C; c++)
            x[t * C + c] = weight_at(panel, wte->type, C, c, token % ISTHMUS_PANEL) + position[c];
    }
}
