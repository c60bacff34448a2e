#include <math.h>

#include "kernels.h"
#include "simd_double.h"

INLINE float row_maximum(const f32 *x, int64_t N)
{
    vec largest = v_set(-INFINITY);
    int64_t n = 0;
    for (; n + LANES <= N; n += LANES)
        largest = v_max(v_load(x + n), largest);
    float maximum = v_largest(largest);
    for (; n < N; n++)
        maximum = x[n] > maximum ? x[n] : maximum;
    return maximum;
}

void KERNEL(softmax)(f32 *x, int64_t N, int64_t t0, int64_t t1)
{
    for (int64_t t = t0; t < t1; t++) {
        f32 *row = x + t * N;
        const vec maximum = v_set(row_maximum(row, N));

        dvec low = {0}, high = {0};
        int64_t n = 0;
        for (; n + LANES <= N; n += LANES) {
            v_store(row + n, v_exp(v_load(row + n) - maximum));
            low += d_load(row + n);
            high += d_load(row + n + DLANES);
        }
        double sum = d_sum(low + high);
        if (n < N) {
            v_store_part(row + n, v_exp(v_load_part(row + n, N - n) - maximum), N - n);
            for (int64_t i = n; i < N; i++)
                sum += (double)row[i];
        }

        const dvec inverse = d_set(1.0 / sum);
        for (n = 0; n + DLANES <= N; n += DLANES)
            d_store(row + n, d_load(row + n) * inverse);
        if (n < N)
            d_store_part(row + n, d_load_part(row + n, N - n) * inverse, N - n);
    }
}
