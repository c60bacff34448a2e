#include <math.h>
#include <stdio.h>
#include <string.h>

#include "test.h"

typedef void exp_function(const float *x, float *out, int64_t n);
exp_function exp_level_baseline, exp_level_avx2, exp_level_avx512, exp_level_neon, exp_level_vnni;

static exp_function *exp_at(int32_t level)
{
    switch (level) {
#ifdef HAVE_AVX2
    case ISTHMUS_LEVEL_AVX2:
        return exp_level_avx2;
#endif
#ifdef HAVE_AVX512
    case ISTHMUS_LEVEL_AVX512:
        return exp_level_avx512;
#endif
#ifdef HAVE_VNNI
    case ISTHMUS_LEVEL_VNNI:
        return exp_level_vnni;
#endif
#ifdef HAVE_NEON
    case ISTHMUS_LEVEL_NEON:
        return exp_level_neon;
#endif
    default:
        return exp_level_baseline;
    }
}

/* Every 4093rd float there is, infinities and NaNs included, and the ends of exp's range. */
TEST(exp)
{
    enum { BATCH = 16 };
    for (int l = 0; l < LEVELS_COUNT; l++) {
        double worst = 0;
        float worst_at = 0;
        uint64_t next = 0;
        while (next <= UINT32_MAX) {
            float x[BATCH], out[BATCH];
            for (int i = 0; i < BATCH; i++, next += 4093) {
                const uint32_t bits = (uint32_t)next;
                memcpy(&x[i], &bits, 4);
            }
            exp_at(LEVELS[l])(x, out, BATCH);
            for (int i = 0; i < BATCH; i++) {
                const double error = ulps(out[i], exp((double)x[i]));
                if (error > worst) {
                    worst = error;
                    worst_at = x[i];
                }
            }
        }
        printf("exp at %s: at most %.3f ulp, at %.9g\n", level_name(LEVELS[l]), worst, (double)worst_at);
        check(worst <= 1.5, "%s: %.3f ulp at %.9g", level_name(LEVELS[l]), worst, (double)worst_at);

        const float special[BATCH] = {0.0f,   -0.0f,   INFINITY,   -INFINITY, NAN,    88.7228317f, 88.7228394f, 89.0f,
                                      -87.3f, -87.34f, -103.97f, -103.98f, -104.5f, -3e38f,      3e38f,       1e-45f};
        float out[BATCH];
        exp_at(LEVELS[l])(special, out, BATCH);
        for (int i = 0; i < BATCH; i++)
            check(ulps(out[i], exp((double)special[i])) <= 1.5, "%s: exp(%.9g) = %.9g", level_name(LEVELS[l]),
                  (double)special[i], (double)out[i]);
    }
}
