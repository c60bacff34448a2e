/* Packs a checkpoint's weights into panels and quantizes them for types of fewer bits. */
#include <math.h>

#include "kernels.h"
#include "quantized.h"
#include "simd_narrow.h"

enum { PANEL = ISTHMUS_PANEL };

/* The part of a matrix to be packed: weights is [k1 - k0, n1 - n0], or its transpose. */
struct source {
    const f32 *weights;
    int64_t k_stride, n_stride;
    int64_t k0, k1, n0, n1;
};

/* Gathers values[k - k0, c] of inputs [k0, k1) and columns n + c of a panel, zero beyond the source's columns. */
static void gather(float *values, const struct source *s, int64_t k0, int64_t k1, int64_t n)
{
    const int64_t columns = s->n1 - n < PANEL ? s->n1 - n : PANEL;
    const f32 *from = s->weights + (k0 - s->k0) * s->k_stride + (n - s->n0) * s->n_stride;
    if (columns < PANEL)
        memset(values, 0, (size_t)((k1 - k0) * PANEL) * sizeof(float));
    if (s->n_stride == 1) {
        for (int64_t k = 0; k < k1 - k0; k++)
            memcpy(values + k * PANEL, from + k * s->k_stride, (size_t)columns * sizeof(float));
        return;
    }
    /* Transposes in strips whose cache lines stay in the first-level cache until they are full. */
    enum { STRIP = 16 };
    for (int64_t strip = 0; strip < k1 - k0; strip += STRIP) {
        const int64_t end = k1 - k0 - strip < STRIP ? k1 - k0 : strip + STRIP;
        for (int64_t c = 0; c < columns; c++)
            for (int64_t k = strip; k < end; k++)
                values[k * PANEL + c] = from[c * s->n_stride + k];
    }
}

/* Per column, the value of largest magnitude among `count` inputs; the first NaN where there is one. */
static void extremes(float *extreme, const float *values, int64_t count)
{
    memset(extreme, 0, PANEL * sizeof(float));
    for (int64_t k = 0; k < count; k++)
        for (int c = 0; c < PANEL; c++) {
            const float v = values[k * PANEL + c];
            extreme[c] = fabsf(v) > fabsf(extreme[c]) || (v != v && extreme[c] == extreme[c]) ? v : extreme[c];
        }
}

static int32_t clamped(float rounded, int32_t limit)
{
    return rounded > (float)-limit ? rounded < (float)limit ? (int32_t)rounded : limit : -limit;
}

/* The scale of INT8 weights whose largest magnitude is 127 times this one. Below 2^-17 binary16 has fewer than 8
 * significant bits, and a scale that is rounded down would clip the largest weights, so it is rounded up. */
static u16 int8_scale(float exact)
{
    const u16 half = f16_of(exact);
    return exact < 0x1p-17f && f16_value(half) < exact ? (u16)(half + 1) : half;
}

static void pack_int8(uint8_t *to, const float *values, int64_t count)
{
    float extreme[PANEL], inverse[PANEL];
    extremes(extreme, values, count);
    const int64_t steps = (count + 3) / 4;
    u16 *scales = (u16 *)(void *)(to + steps * 4 * PANEL);
    for (int c = 0; c < PANEL; c++) {
        const u16 half = int8_scale(fabsf(extreme[c]) / 127.0f);
        const float scale = f16_value(half);
        scales[c] = isfinite(scale) ? half : f16_of(NAN);
        inverse[c] = scale > 0 ? 1.0f / scale : 0.0f;
    }
    memset(to, 128, (size_t)(steps * 4 * PANEL));
    for (int64_t k = 0; k < count; k++)
        for (int c = 0; c < PANEL; c++)
            to[k / 4 * 4 * PANEL + c * 4 + k % 4] =
                (uint8_t)(128 + clamped(rintf(values[k * PANEL + c] * inverse[c]), 127));
}

/* The scale, a binary16 number, that the weights of a column are rounded with least squared error: the extreme one
 * becomes -8, or something near it. NaN where binary16 has no number so large. */
static float q4_scale(const float *values, int64_t count, float extreme)
{
    enum { CANDIDATES = 9 };
    float best = NAN, least = INFINITY;
    for (int i = 0; i < CANDIDATES; i++) {
        const u16 half = f16_of(extreme / (-8.0f + 0.25f * (float)i));
        const float scale = f16_value(half);
        if (scale == 0)
            return scale;
        const float inverse = 1.0f / scale;
        float error = 0;
        for (int64_t k = 0; k < count; k++) {
            const float v = values[k * PANEL], q = rintf(v * inverse);
            const float difference = v - scale * (q > 7 ? 7 : q < -8 ? -8 : q);
            error += difference * difference;
        }
        if (error < least) {
            least = error;
            best = scale;
        }
    }
    return best;
}

static void pack_q4(uint8_t *to, const float *values, int64_t count)
{
    float extreme[PANEL];
    extremes(extreme, values, count);
    u16 *scales = (u16 *)(void *)(to + ISTHMUS_Q4_BLOCK / 2 * PANEL);
    for (int c = 0; c < PANEL; c++) {
        const float scale = isfinite(extreme[c]) ? q4_scale(values + c, count, extreme[c]) : NAN;
        const float inverse = fabsf(scale) > 0 ? 1.0f / scale : 0.0f;
        scales[c] = f16_of(scale);
        for (int64_t k = 0; k < ISTHMUS_Q4_BLOCK; k++) {
            const float q = k < count ? rintf(values[k * PANEL + c] * inverse) : 0;
            const int32_t half = 8 + (q > -8 ? q < 7 ? (int32_t)q : 7 : -8);
            uint8_t *byte = to + k / 8 * 4 * PANEL + c * 4 + k % 4;
            *byte = (uint8_t)(k % 8 < 4 ? half : *byte | half << 4);
        }
    }
}

static void pack_block(char *panel, const float *values, int32_t type, int64_t k0, int64_t k1)
{
    const int64_t count = (k1 - k0) * PANEL;
    switch (type) {
    case ISTHMUS_TYPE_F32:
        memcpy(panel + k0 * PANEL * 4, values, (size_t)count * sizeof(float));
        break;
    case ISTHMUS_TYPE_F16:
        for (int64_t i = 0; i < count; i += LANES)
            v_store_f16((u16 *)(void *)(panel + k0 * PANEL * 2) + i, v_load(values + i));
        break;
    case ISTHMUS_TYPE_BF16:
        for (int64_t i = 0; i < count; i++)
            ((u16 *)(void *)(panel + k0 * PANEL * 2))[i] = bf16_of(values[i]);
        break;
    case ISTHMUS_TYPE_INT8:
        pack_int8((uint8_t *)panel + panel_bytes(type, k0), values, k1 - k0);
        break;
    default:
        pack_q4((uint8_t *)panel + panel_bytes(type, k0), values, k1 - k0);
    }
}

void KERNEL(pack)(const f32 *restrict weights, int32_t layout, const struct isthmus_matrix *matrix, int64_t k0,
                  int64_t k1, int64_t n0, int64_t n1)
{
    enum { MAX_INPUTS = ISTHMUS_INT8_BLOCK };
    float values[MAX_INPUTS * PANEL] __attribute__((aligned(64)));
    const int32_t type = matrix->type;
    const int in_out = layout == ISTHMUS_LAYOUT_IN_OUT;
    const struct source source = {weights, in_out ? n1 - n0 : 1, in_out ? 1 : k1 - k0, k0, k1, n0, n1};
    const int64_t depth = block_inputs(type) > 1 ? block_inputs(type) : MAX_INPUTS;
    for (int64_t n = n0; n < n1; n += PANEL)
        for (int64_t k = k0; k < k1; k += depth) {
            const int64_t end = k1 - k < depth ? k1 : k + depth;
            char *panel = (char *)matrix->data + n / PANEL * panel_bytes(type, matrix->K);
            gather(values, &source, k, end, n);
            pack_block(panel, values, type, k, end);
        }
}
