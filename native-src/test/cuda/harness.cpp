#include "harness.h"

#include <cstdarg>
#include <cstdlib>
#include <ctime>
#include <sys/mman.h>
#include <unistd.h>

uint64_t schedule;

static uint64_t random_state;
static const char *operation;
static long passes, failures, all_failures;

enum { GUARD_BYTES = 64, GUARD = 0xd7 };

/* SplitMix64 (Steele, Lea and Flood 2014). */
static uint64_t next_random()
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

int64_t random_below(int64_t n)
{
    return (int64_t)(next_random() % (uint64_t)n);
}

float random_float()
{
    return (float)(int64_t)(next_random() >> 40) * 0x1p-23f - 1.0f;
}

memory::memory(int64_t bytes) : bytes(bytes)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), used = ((size_t)bytes + 15) / 16 * 16;
    const size_t whole = (GUARD_BYTES + used + page - 1) / page * page;
    mapped = whole + page;
    void *pages = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mapping = (unsigned char *)pages;
    if (pages == MAP_FAILED || mprotect(mapping + whole, page, PROT_NONE) != 0) {
        std::perror("mmap");
        std::exit(2);
    }
    data = mapping + whole - used;
    std::memset(mapping, GUARD, whole);
}

memory::~memory()
{
    munmap(mapping, mapped);
}

bool memory::guards_hold() const
{
    const unsigned char *begin = (unsigned char *)data, *end = begin + bytes;
    for (const unsigned char *p = begin - GUARD_BYTES; p < begin; p++)
        if (*p != GUARD)
            return false;
    for (const unsigned char *p = end; p < begin + (bytes + 15) / 16 * 16; p++)
        if (*p != GUARD)
            return false;
    return true;
}

void check(bool passed, const char *format, ...)
{
    if (passed) {
        passes++;
        return;
    }
    if (++failures > 10)
        return;
    va_list arguments;
    va_start(arguments, format);
    std::printf("FAILED %s: ", operation);
    std::vprintf(format, arguments);
    std::printf(failures == 10 ? "\n(further failures are counted only)\n" : "\n");
    va_end(arguments);
}

static const char *only; /* the test that is asked for, or null for all */

static void run_test(const char *name, void (*test)())
{
    if (only && std::strcmp(only, name) != 0)
        return;
    operation = name;
    passes = failures = 0;
    const clock_t start = clock();
    test();
    all_failures += failures;
    std::printf("%-16s %7ld passed, %ld failed, %.1f s\n", name, passes, failures,
                (double)(clock() - start) / CLOCKS_PER_SEC);
    std::fflush(stdout);
}

#define RUN(op)             \
    extern void test_##op(); \
    run_test(#op, test_##op);

int main(int argc, char **argv)
{
    random_state = schedule = argc > 1 ? std::strtoull(argv[1], nullptr, 0) : 20260101u;
    only = argc > 2 ? argv[2] : nullptr;
    std::printf("seed %llu\n", (unsigned long long)random_state);
    RUN(emulator)
    RUN(stand_in)
    RUN(rowwise)
    RUN(matmul_rows)
    RUN(sample)
    RUN(cache)
    return all_failures != 0;
}
