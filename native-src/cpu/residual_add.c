#include "kernels.h"

void KERNEL(residual_add)(f32 *restrict x, const f32 *restrict y, int64_t C, int64_t t0, int64_t t1)
{
    const int64_t end = t1 * C;
    int64_t i = t0 * C;
    for (; i + LANES <= end; i += LANES)
        v_store(x + i, v_load(x + i) + v_load(y + i));
    if (i < end)
        v_store_part(x + i, v_load_part(x + i, end - i) + v_load_part(y + i, end - i), end - i);
}
