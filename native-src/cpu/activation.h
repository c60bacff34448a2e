/* The activations, in double, and the usual one in float. */
#ifndef ISTHMUS_ACTIVATION_H
#define ISTHMUS_ACTIVATION_H

#include "simd_double.h"

/*
 * x/2 (1 + tanh u) = x / (1 + e^-2u), u = sqrt(2/pi) (x + 0.044715 x^3). The right side has no cancellation for
 * negative x; what float32 would still lose there is in rounding 2u (to 90 or so) before the exponential, so it
 * is computed in double and rounded once. At -inf it is NaN, as the left side is.
 */
INLINE dvec gelu_tanh(dvec x)
{
    const double linear = -2.3022081981443248; /* -2 sqrt(2/pi) log2(e) */
    return x / (1.0 + d_exp2(d_fma(x * x, d_set(0.044715 * linear), d_set(linear)) * x));
}

/* The same in float, twice as fast: within two ulps of x, which is little compared with rounding x to bytes. */
INLINE vec gelu_tanh_float(vec x)
{
    const vec cubic = v_fma(x * x, v_set(0.044715f), v_set(1.0f)) * x;
    return x / (1.0f + v_exp(cubic * -1.5957691f));
}

/*
 * erfc(z) for z >= 0, to a relative 1e-9 up to z = 10.5, beyond which no float result depends on it:
 * e^(-z^2) t P(t), t = 1 / (1 + z/2). P interpolates erfc(z) e^(z^2) / t at the 12 Chebyshev nodes of
 * [1/6.25, 1], computed with 50 digits.
 */
INLINE dvec erfc_positive(dvec z)
{
    static const double P[] = {
        -0.031858008844152489, 0.23648792875997462,  -0.75062394209993475, 1.2907180287439379,
        -1.2443274760057388,   0.65657911444615341,  -0.29689233160900536, 0.16675466114602204,
        0.16027194274091728,   0.24884264889432852,  0.28194790397243687,  0.28209952979245121,
    };
    const dvec t = 1.0 / d_fma(z, d_set(0.5), d_set(1.0));
    dvec p = d_set(P[0]);
    for (int i = 1; i < 12; i++)
        p = d_fma(p, t, d_set(P[i]));
    return d_exp2(z * z * -1.4426950408889634) * t * p; /* log2(e) */
}

/* x/2 (1 + erf(x / sqrt 2)) = x/2 erfc(-x / sqrt 2), and erfc(-z) = 2 - erfc(z). */
INLINE dvec gelu_erf(dvec x)
{
    const dvec z = d_select(x < 0.0, -x, x) * 0.70710678118654752;
    const dvec tail = erfc_positive(z);
    return 0.5 * x * d_select(x < 0.0, tail, 2.0 - tail);
}

INLINE dvec activate(dvec x, int32_t activation)
{
    switch (activation) {
    case ISTHMUS_ACT_GELU_TANH:
        return gelu_tanh(x);
    case ISTHMUS_ACT_GELU_ERF:
        return gelu_erf(x);
    case ISTHMUS_ACT_RELU:
        return d_select(x < 0.0, d_set(0.0), x);
    default:
        return x;
    }
}

#endif
