#define _DEFAULT_SOURCE
#define _DARWIN_C_SOURCE
#include "test.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../cpu/operations.h"

const int64_t SIZES[] = {1,  2,  3,  4,  5,  7,  8,  9,   15,  16,  17,  23,  31,  32,  33,
                         47, 63, 64, 65, 96, 127, 128, 129, 255, 257, 511, 513, 767, 768, 769};
const int SIZES_COUNT = COUNT(SIZES);

int32_t LEVELS[5];
int LEVELS_COUNT;

static uint64_t random_state;
static const char *running;
static int64_t passes, failures, all_failures;

enum { GUARD_FLOATS = 64 };
static const float GUARD = -7.25e30f;

/* SplitMix64 (Steele, Lea and Flood 2014). */
static uint64_t next_random(void)
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

float random_float(void)
{
    return (float)(int64_t)(next_random() >> 40) * 0x1p-23f - 1.0f;
}

const char *level_name(int32_t level)
{
    static const char *const names[] = {"baseline", "avx2", "avx512", "neon", "vnni"};
    return names[level];
}

int32_t unsupported_level(int i)
{
    static const int32_t never[] = {-1, 5, 6, INT32_MIN, INT32_MAX};
    for (int32_t level = 0; level < COUNT(LEVELS); level++)
        if (!isthmus_level_supported(level) && i-- == 0)
            return level;
    return never[i % COUNT(never)];
}

/* Tensors are only touched through memcpy, because data may be misaligned. */
static float read_at(const float *p, int64_t i)
{
    float value;
    memcpy(&value, (const char *)p + i * 4, 4);
    return value;
}

static void write_at(float *p, int64_t i, float value)
{
    memcpy((char *)p + i * 4, &value, 4);
}

struct tensor tensor_new(int64_t size, int shift)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t bytes = (size_t)(GUARD_FLOATS + size) * 4 + (size_t)shift;
    const size_t used = (bytes + page - 1) / page * page;
    char *mapping = mmap(NULL, used + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
    if (mapping == MAP_FAILED || mprotect(mapping + used, page, PROT_NONE) != 0) {
        perror("mmap");
        exit(2);
    }
    float *data = (float *)(void *)(mapping + used - (size_t)size * 4 - (size_t)shift);
    struct tensor t = {data, size, mapping, used + page};
    for (int64_t i = -GUARD_FLOATS; i < size; i++)
        write_at(t.data, i, GUARD);
    return t;
}

struct tensor tensor_random(int64_t size, int shift)
{
    struct tensor t = tensor_new(size, shift);
    for (int64_t i = 0; i < size; i++)
        write_at(t.data, i, random_float());
    return t;
}

struct tensor tensor_copy(const struct tensor *t)
{
    struct tensor copy = tensor_new(t->size, (int)(-(uintptr_t)t->data & 3));
    memcpy((char *)copy.data, (const char *)t->data, (size_t)t->size * 4);
    return copy;
}

void tensor_free(struct tensor *t)
{
    munmap(t->mapping, t->mapped);
    t->data = NULL;
}

float get(const struct tensor *t, int64_t i)
{
    return read_at(t->data, i);
}

void set(struct tensor *t, int64_t i, float value)
{
    write_at(t->data, i, value);
}

uint8_t get_u8(const struct tensor *t, int64_t i)
{
    return ((const uint8_t *)t->data)[i];
}

uint16_t get_u16(const struct tensor *t, int64_t i)
{
    uint16_t value;
    memcpy(&value, (const char *)t->data + i, 2);
    return value;
}

uint32_t get_u32(const struct tensor *t, int64_t i)
{
    uint32_t value;
    memcpy(&value, (const char *)t->data + i, 4);
    return value;
}

void set_u16(struct tensor *t, int64_t i, uint16_t value)
{
    memcpy((char *)t->data + i, &value, 2);
}

float float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

int same_bits(const struct tensor *a, const struct tensor *b)
{
    return a->size == b->size && memcmp((const char *)a->data, (const char *)b->data, (size_t)a->size * 4) == 0;
}

int guards_hold(const struct tensor *t)
{
    for (int64_t i = -GUARD_FLOATS; i < 0; i++)
        if (read_at(t->data, i) != GUARD)
            return 0;
    return 1;
}

void check(int passed, const char *format, ...)
{
    if (passed) {
        passes++;
        return;
    }
    if (++failures > 10)
        return;
    va_list arguments;
    va_start(arguments, format);
    printf("FAILED %s: ", running);
    vprintf(format, arguments);
    printf(failures == 10 ? "\n(further failures are counted only)\n" : "\n");
    va_end(arguments);
}

int close_to(float got, double want, double tolerance)
{
    if (isnan(want))
        return isnan(got);
    return (double)got == want || fabs((double)got - want) <= tolerance;
}

double ulps(float got, double want)
{
    if (isnan(want) || isnan(got))
        return isnan(want) && isnan(got) ? 0 : INFINITY;
    if ((double)got == want || ((double)got == (double)(float)want && isinf(got)))
        return 0;
    if (isinf(got) || isinf(want))
        return INFINITY;
    int exponent;
    frexp(want, &exponent);
    return fabs((double)got - want) / ldexp(1.0, exponent - 24 < -149 ? -149 : exponent - 24);
}

static struct test {
    const char *name;
    void (*run)(void);
} tests[64];
static int tests_count;

void add_test(const char *name, void (*test)(void))
{
    if (tests_count == COUNT(tests)) {
        fprintf(stderr, "more than %d tests\n", COUNT(tests));
        exit(2);
    }
    tests[tests_count++] = (struct test){name, test};
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct test *)a)->name, ((const struct test *)b)->name);
}

static void run(const struct test *test)
{
    running = test->name;
    passes = failures = 0;
    test->run();
    all_failures += failures;
    printf("%-16s %7lld passed, %lld failed\n", test->name, (long long)passes, (long long)failures);
    fflush(stdout);
}

/* Every operation of kernels.h's table must have a test by its name. */
static void check_operation(const char *operation)
{
    for (int i = 0; i < tests_count; i++)
        if (strcmp(tests[i].name, operation) == 0)
            return;
    printf("FAILED: operation %s has no test: add test/test_%s.c with TEST(%s)\n", operation, operation, operation);
    all_failures++;
}

int main(int argc, char **argv)
{
    random_state = argc > 1 ? strtoull(argv[1], NULL, 0) : 20260101u;
    printf("seed %llu; levels:", (unsigned long long)random_state);
    for (int32_t level = 0; level < COUNT(LEVELS); level++)
        if (isthmus_level_supported(level)) {
            LEVELS[LEVELS_COUNT++] = level;
            printf(" %s", level_name(level));
        } else
            printf(" (%s is not supported here: not tested)", level_name(level));
    printf("\n");

#define CHECK_OPERATION(op, result, parameters, unused) check_operation(#op);
    OPERATIONS(CHECK_OPERATION, )
    qsort(tests, (size_t)tests_count, sizeof *tests, by_name);
    for (int i = 0; i < tests_count; i++)
        run(&tests[i]);
    return all_failures != 0;
}
