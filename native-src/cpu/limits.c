/* Loops that measure the machine: each only reads memory, or only multiplies and adds, as fast as the level can. */
#include "kernels.h"
#include "simd_narrow.h"

enum {
    /* Independent sums: more than an instruction's latency times the number of units that execute it, as far as there
     * are registers. */
    SUMS = IS_AVX512 || LEVEL == ISTHMUS_LEVEL_NEON ? 16 : 12,
    LINE_BYTES = 64,
    LINE_VECTORS = LINE_BYTES / VECTOR_BYTES,

    /* Bytes from a load to the prefetch that runs ahead of it. */
    AHEAD = 4096,
};

#ifndef UNROLL
#define UNROLL _Pragma("GCC unroll 16")
#endif

/* Hides a value from the compiler and keeps it in its register: otherwise the work on it is done once, not each
 * time. */
#ifdef __x86_64__
#define UNKNOWN(v) __asm__ volatile("" : "+x"(v))
#else
#define UNKNOWN(v) __asm__ volatile("" : "+w"(v))
#endif

int32_t KERNEL(read_bytes)(const char *memory, int64_t bytes)
{
    vbits sums[LINE_VECTORS] = {{0}};
    for (int64_t i = 0; i < bytes; i += LINE_BYTES) {
        __builtin_prefetch(memory + i + AHEAD, 0, 2);
        UNROLL for (int j = 0; j < LINE_VECTORS; j++)
            sums[j] ^= (vbits)b_load((const uint8_t *)memory + i + j * VECTOR_BYTES);
    }
    uint32_t words[LINE_BYTES / 4], sum = 0;
    UNROLL for (int j = 0; j < LINE_VECTORS; j++)
        memcpy(words + j * LANES, &sums[j], VECTOR_BYTES);
    for (int i = 0; i < LINE_BYTES / 4; i++)
        sum ^= words[i];
    return (int32_t)sum;
}

INLINE int64_t float_multiply_adds(int64_t steps)
{
    vec sums[SUMS], x = v_set(1), y = v_set(1);
    UNROLL for (int j = 0; j < SUMS; j++)
        sums[j] = v_set(0);
    for (int64_t s = 0; s < steps; s++)
        UNROLL for (int j = 0; j < SUMS; j++) {
            UNKNOWN(x);
            sums[j] = v_fma(x, y, sums[j]);
        }
    float lanes[SUMS * LANES];
    UNROLL for (int j = 0; j < SUMS; j++)
        v_store(lanes + j * LANES, sums[j]);
    int64_t done = 0;
    for (int i = 0; i < SUMS * LANES; i++)
        done += (int64_t)lanes[i];
    return done;
}

INLINE int64_t byte_multiply_adds(int64_t steps)
{
    vmask sums[SUMS], y = (vmask)((vbits){0} + 0x01010101u);
    vbytes x = (vbytes)y;
    UNROLL for (int j = 0; j < SUMS; j++)
        sums[j] = (vmask){0};
    for (int64_t s = 0; s < steps; s++)
        UNROLL for (int j = 0; j < SUMS; j++) {
            UNKNOWN(x);
            sums[j] = b_dot(sums[j], x, y);
        }
    int32_t lanes[SUMS * LANES];
    UNROLL for (int j = 0; j < SUMS; j++)
        memcpy(lanes + j * LANES, &sums[j], VECTOR_BYTES);
    int64_t done = 0;
    for (int i = 0; i < SUMS * LANES; i++)
        done += lanes[i];
    return done;
}

int64_t KERNEL(multiply_adds)(int32_t type, int64_t count)
{
    const int bytes = type == ISTHMUS_TYPE_INT8 || type == ISTHMUS_TYPE_Q4;
    const int64_t step = SUMS * LANES * (bytes ? 4 : 1);
    const int64_t steps = (count + step - 1) / step;
    return bytes ? byte_multiply_adds(steps) : float_multiply_adds(steps);
}
