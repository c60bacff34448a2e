/* mma.h for a CPU: every lane gathers what it needs from the others'. */
#ifndef ISTHMUS_CUDA_MMA_ON_CPU_H
#define ISTHMUS_CUDA_MMA_ON_CPU_H

inline void copy_async(void *to_shared, const void *from, bool zeros)
{
    emulated::copy_async(to_shared, zeros ? nullptr : from);
}

inline void end_group()
{
    emulated::end_group();
}

template <int pending> inline void copies_done()
{
    emulated::copies_done(pending);
}

template <bool transposed> inline void load_matrices(uint32_t (&r)[4], const void *row)
{
    const uint64_t mine = reinterpret_cast<uintptr_t>(row);
    const emulated::lanes &all = emulated::exchange(ALL_LANES, &mine, 2, __LINE__);
    const int g = emulated::lane() / 4, i = emulated::lane() % 4;
    for (int m = 0; m < 4; m++) {
        uint16_t halves[2];
        for (int j = 0; j < 2; j++) {
            const int y = transposed ? 2 * i + j : g, x = transposed ? g : 2 * i + j;
            uint64_t address;
            std::memcpy(&address, all.words[8 * m + y], 8);
            halves[j] = reinterpret_cast<const uint16_t *>(address)[x];
        }
        r[m] = halves[0] | (uint32_t)halves[1] << 16;
    }
    /* Nobody may overwrite what others have yet to read. */
    __syncwarp();
}

/* Elements 2i and 2i + 1 of a register. */
template <class E> inline float element(uint32_t pair, int which)
{
    E e;
    e.bits = (uint16_t)(pair >> 16 * which);
    return to_float(e);
}

template <class E> inline void multiply_add(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1)
{
    const uint32_t mine[6] = {a[0], a[1], a[2], a[3], b0, b1};
    const emulated::lanes &all = emulated::exchange(ALL_LANES, mine, 6, __LINE__);
    const int g = emulated::lane() / 4, i = emulated::lane() % 4;
    for (int j = 0; j < 4; j++) {
        const int row = j / 2, column = 2 * i + j % 2; /* of C: row g + 8 * row */
        float sum = 0;
        for (int k = 0; k < 16; k++) {
            const int from = k % 8 / 2, high = k / 8;
            sum += element<E>(all.words[4 * g + from][2 * high + row], k % 2)
                * element<E>(all.words[4 * column + from][4 + high], k % 2);
        }
        c[j] += sum;
    }
}

inline float power_of_two(float x)
{
    return std::exp2(x);
}

#endif
