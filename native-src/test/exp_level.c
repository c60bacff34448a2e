/* Compiled once per level, like a kernel: lets the tests call simd.h's v_exp, which has no public function. */
#include "../cpu/kernels.h"

void KERNEL(exp_level)(const float *x, float *out, int64_t n);

void KERNEL(exp_level)(const float *x, float *out, int64_t n)
{
    for (int64_t i = 0; i + LANES <= n; i += LANES)
        v_store(out + i, v_exp(v_load(x + i)));
}
