#include "kernels.h"

void KERNEL(embedding)(const f32 *restrict wte, const f32 *restrict wpe, const i32 *tokens, const i32 *positions,
                       f32 *restrict x, int64_t C, int64_t t0, int64_t t1)
{
    for (int64_t t = t0; t < t1; t++) {
        const f32 *token = wte + tokens[t] * C;
        const f32 *position = wpe + positions[t] * C;
        f32 *row = x + t * C;
        int64_t c = 0;
        for (; c + LANES <= C; c += LANES)
            v_store(row + c, v_load(token + c) + v_load(position + c));
        if (c < C)
            v_store_part(row + c, v_load_part(token + c, C - c) + v_load_part(position + c, C - c), C - c);
    }
}
