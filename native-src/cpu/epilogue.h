/* The epilogue of a product: adds bias and residual and applies the activation to a panel's sums while they are in the
 * first-level cache. */
#ifndef ISTHMUS_EPILOGUE_H
#define ISTHMUS_EPILOGUE_H

#include "activation.h"
#include "kernels.h"

/* Finishes one row, with activation and mode known to the compiler. */
INLINE void finish_row(f32 *out, const float *sums, const f32 *bias, int32_t activation, int add, int64_t count)
{
    int64_t n = 0;
    for (; n + DLANES <= count; n += DLANES) {
        const dvec b = bias ? d_load(bias + n) : d_set(0.0);
        const dvec value = activate(d_load(sums + n) + b, activation);
        d_store(out + n, add ? d_load(out + n) + value : value);
    }
    if (n < count) {
        const int64_t part = count - n;
        const dvec b = bias ? d_load_part(bias + n, part) : d_set(0.0);
        const dvec value = activate(d_load_part(sums + n, part) + b, activation);
        d_store_part(out + n, add ? d_load_part(out + n, part) + value : value, part);
    }
}

/* As finish_row in float, where a sum of two is rounded the same; the activation is gelu_tanh_float or none. */
INLINE void finish_row_float(f32 *out, const float *sums, const f32 *bias, int gelu, int64_t count)
{
    for (int64_t n = 0; n < count; n += LANES) {
        const int64_t part = count - n;
        if (part >= LANES) {
            const vec value = v_load(sums + n) + (bias ? v_load(bias + n) : v_set(0.0f));
            v_store(out + n, gelu ? gelu_tanh_float(value) : value);
        } else {
            const vec value = v_load_part(sums + n, part) + (bias ? v_load_part(bias + n, part) : v_set(0.0f));
            v_store_part(out + n, gelu ? gelu_tanh_float(value) : value, part);
        }
    }
}

/* out[t, n] for rows [t0, t0 + rows) and the columns below N of the panel from n on, whose sums are [rows, 64].
 * `rounded` says that the sums are of quantized weights and inputs, for which float is accurate enough. */
INLINE void finish_panel(const struct isthmus_epilogue *e, int rounded, const float *sums, int64_t t0, int64_t rows,
                         int64_t n, int64_t N)
{
    const int64_t count = N - n < ISTHMUS_PANEL ? N - n : ISTHMUS_PANEL;
    const f32 *bias = e->bias ? e->bias + n : 0;
    for (int64_t t = 0; t < rows; t++) {
        f32 *out = e->out + (t0 + t) * N + n;
        const float *row = sums + t * ISTHMUS_PANEL;
        if (e->store == ISTHMUS_ADD)
            finish_row(out, row, bias, ISTHMUS_ACT_NONE, 1, count);
        else if (e->activation == ISTHMUS_ACT_NONE)
            finish_row_float(out, row, bias, 0, count);
        else if (e->activation == ISTHMUS_ACT_GELU_TANH && rounded)
            finish_row_float(out, row, bias, 1, count);
        else if (e->activation == ISTHMUS_ACT_GELU_TANH)
            finish_row(out, row, bias, ISTHMUS_ACT_GELU_TANH, 0, count);
        else if (e->activation == ISTHMUS_ACT_GELU_ERF)
            finish_row(out, row, bias, ISTHMUS_ACT_GELU_ERF, 0, count);
        else
            finish_row(out, row, bias, ISTHMUS_ACT_RELU, 0, count);
    }
}

#endif
