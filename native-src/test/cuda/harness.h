/*
 * What the CUDA kernels' tests share: seeded numbers, buffers between guards, launches on the CPU under several
 * scheduling orders, and counted checks.
 */
#ifndef ISTHMUS_CUDA_TEST_H
#define ISTHMUS_CUDA_TEST_H

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

#include "elements.h"
#include "emulated/emulator.h"

/* Uniform in [0, n), and in [-1, 1). */
int64_t random_below(int64_t n);
float random_float();

/* Counts one check of the current operation; prints the message where it fails. */
void check(bool passed, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Bytes that begin aligned to 16 and end, but for guard bytes that fill up these 16, before a page that cannot be touched;
 * guard bytes lie before them too. */
class memory {
  public:
    explicit memory(int64_t bytes);
    memory(const memory &) = delete;
    ~memory();
    bool guards_hold() const;
    void *data;
    const int64_t bytes;

  private:
    unsigned char *mapping;
    size_t mapped;
};

/* What a buffer of any type starts out as. */
enum { UNWRITTEN = 0xb5 };

/* An array as a kernel sees it. */
template <class N> class buffer {
  public:
    explicit buffer(int64_t size) : held(size * (int64_t)sizeof(N)), count(size)
    {
        std::memset(held.data, UNWRITTEN, (size_t)held.bytes);
    }
    buffer(const std::vector<N> &from) : buffer((int64_t)from.size())
    {
        std::memcpy(held.data, from.data(), (size_t)held.bytes);
    }
    N *get() const
    {
        return (N *)held.data;
    }
    N &operator[](int64_t i) const
    {
        return get()[i];
    }
    int64_t size() const
    {
        return count;
    }
    bool guards_hold() const
    {
        return held.guards_hold();
    }
    std::vector<N> copy() const
    {
        return std::vector<N>(get(), get() + count);
    }
    void assign(const std::vector<N> &from) const
    {
        std::memcpy(held.data, from.data(), (size_t)held.bytes);
    }
    bool same_bits(const std::vector<N> &other) const
    {
        return std::memcmp(held.data, other.data(), (size_t)held.bytes) == 0;
    }

  private:
    memory held;
    int64_t count;
};

/* Numbers in [-size, size) rounded to E. */
template <class E> std::vector<E> random_elements(int64_t count, float size = 1)
{
    std::vector<E> elements((size_t)count);
    for (E &e : elements)
        e = of_float<E>(random_float() * size);
    return elements;
}

/* Half a unit in the last place of a number near 1. */
template <class E> double rounding()
{
    return std::is_same<E, float>::value ? 0x1p-24 : std::is_same<E, __half>::value ? 0x1p-11 : 0x1p-8;
}

/* |got - want| within a relative error of the type's rounding and what float32 arithmetic may add. */
template <class E> bool is_close(E got, double want, double arithmetic)
{
    if (std::isnan(want))
        return std::isnan(to_float(got));
    return std::fabs((double)to_float(got) - want) <= std::fabs(want) * rounding<E>() * 1.01 + arithmetic;
}

/* The worst of |got[i] - want[i]|, relative to what is_close allows. */
template <class E> double worst(const buffer<E> &got, const std::vector<double> &want, double arithmetic)
{
    double most = 0;
    for (int64_t i = 0; i < got.size(); i++) {
        const double w = want[(size_t)i], g = (double)to_float(got[i]);
        if (std::isnan(w) && std::isnan(g))
            continue;
        const double off = std::fabs(g - w) / (std::fabs(w) * rounding<E>() * 1.01 + arithmetic);
        most = off <= most ? most : std::isnan(off) ? INFINITY : off;
    }
    return most;
}

/* The seed of the next launch. */
extern uint64_t schedule;
enum { SCHEDULES = 3 };

template <class... P, size_t... I>
std::string launch(void (*kernel)(P...), dim3 grid, dim3 block, size_t shared, const std::tuple<P...> &arguments,
                   std::index_sequence<I...>)
{
    return emulated::launch(grid, block, shared, schedule++, [&] { kernel(std::get<I>(arguments)...); });
}

/* Launches a kernel, which must not fail. */
template <class... P, class... A>
void run(void (*kernel)(P...), dim3 grid, dim3 block, size_t shared, A... arguments)
{
    const std::string failure = launch(kernel, grid, block, shared, std::tuple<P...>(arguments...),
                                       std::index_sequence_for<P...>());
    check(failure.empty(), "%s", failure.c_str());
}

#endif
