#include <math.h>

#include "kernels.h"
#include "simd_double.h"

/* The sum of (x - centre)^power over a row, power 1 or 2, in double: two chains per lane, then pairwise. */
INLINE double sum_of_powers(const f32 *x, int64_t C, double centre, int power)
{
    const dvec shift = d_set(centre);
    dvec sum[2] = {{0}, {0}};
    int64_t c = 0;
    for (; c + 2 * DLANES <= C; c += 2 * DLANES)
        for (int i = 0; i < 2; i++) {
            const dvec d = d_load(x + c + i * DLANES) - shift;
            sum[i] = power == 1 ? sum[i] + d : d_fma(d, d, sum[i]);
        }
    double total = d_sum(sum[0] + sum[1]);
    for (; c < C; c++) {
        const double d = (double)x[c] - centre;
        total += power == 1 ? d : d * d;
    }
    return total;
}

INLINE dvec normalise(dvec x, dvec mean, dvec scale, dvec weight, dvec bias)
{
    return d_fma((x - mean) * scale, weight, bias);
}

/* Computes in double throughout, in two passes: GPT-2 has channels hundreds of times the median, where E[x^2] - E[x]^2
 * in float loses most of its digits. */
void KERNEL(layer_norm)(const f32 *x, const struct isthmus_norm *norm, f32 *out, int64_t t0, int64_t t1)
{
    const f32 *weight = norm->weight, *bias = norm->bias;
    const int64_t C = norm->C;
    for (int64_t t = t0; t < t1; t++) {
        const f32 *row = x + t * C;
        f32 *result = out + t * C;
        const double mean = sum_of_powers(row, C, 0.0, 1) / (double)C;
        const double variance = sum_of_powers(row, C, mean, 2) / (double)C;
        const dvec centre = d_set(mean), scale = d_set(1.0 / sqrt(variance + norm->epsilon));

        int64_t c = 0;
        for (; c + DLANES <= C; c += DLANES)
            d_store(result + c, normalise(d_load(row + c), centre, scale, d_load(weight + c), d_load(bias + c)));
        if (c < C) {
            const int64_t n = C - c;
            d_store_part(result + c, normalise(d_load_part(row + c, n), centre, scale, d_load_part(weight + c, n),
                                               d_load_part(bias + c, n)), n);
        }
    }
}
