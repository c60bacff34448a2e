/*
 * Shared by the kernels' tests: numbers from a seeded generator, tensors between guards, and counted checks.
 */
#ifndef ISTHMUS_TEST_H
#define ISTHMUS_TEST_H

#include <stddef.h>
#include <stdint.h>

#include "isthmus.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof(array)[0]))

/* Sizes at, below and above every vector width, unrolled stride and block in the kernels. */
extern const int64_t SIZES[];
extern const int SIZES_COUNT;

/* The levels that this build and machine have. */
extern int32_t LEVELS[5];
extern int LEVELS_COUNT;
const char *level_name(int32_t level);

/* Uniform in [0, n). */
int64_t random_below(int64_t n);
/* Uniform in [-1, 1). */
float random_float(void);

/*
 * A tensor of floats, or of other elements that fill as many bytes, that begins `shift` bytes (0 to 3) off alignment,
 * fewer than four bytes before a page that can be neither read nor written, so that any access beyond it is a crash.
 * Before it lie guard values.
 */
struct tensor {
    float *data; /* to be handed to the library; `get` and `set` read and write at any alignment */
    int64_t size;
    void *mapping;
    size_t mapped;
};
struct tensor tensor_new(int64_t size, int shift);
struct tensor tensor_random(int64_t size, int shift);
struct tensor tensor_copy(const struct tensor *t);
void tensor_free(struct tensor *t);
float get(const struct tensor *t, int64_t i);
void set(struct tensor *t, int64_t i, float value);
/* Of a tensor that holds other elements: byte i, and the 16 or 32 bits from byte i on. */
uint8_t get_u8(const struct tensor *t, int64_t i);
uint16_t get_u16(const struct tensor *t, int64_t i);
uint32_t get_u32(const struct tensor *t, int64_t i);
void set_u16(struct tensor *t, int64_t i, uint16_t value);
float float_of_bits(uint32_t bits);
/* Whether both hold the same bits; and whether the guard values before t are still there. */
int same_bits(const struct tensor *a, const struct tensor *b);
int guards_hold(const struct tensor *t);

/* Defines the test `name`, which the harness runs: TEST(matmul) { ... }. */
#define TEST(name)                                               \
    static void test_##name(void);                               \
    __attribute__((constructor)) static void add_##name(void)    \
    {                                                            \
        add_test(#name, test_##name);                            \
    }                                                            \
    static void test_##name(void)
void add_test(const char *name, void (*test)(void));

/* Counts one check of the current test; prints the message where it fails. */
void check(int passed, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* |got - want| <= tolerance, where NaN equals NaN only. */
int close_to(float got, double want, double tolerance);
/* The distance of got from want in units of the last place of a float near want; NaN to NaN and equal infinities are
 * 0, any other mismatch of these is infinite. */
double ulps(float got, double want);

/* The address of one of isthmus.h's structs: STRUCT(matrix, data, K, N, type). */
#define STRUCT(name, ...) (&(struct isthmus_##name){__VA_ARGS__})

/* A call that must be refused and must leave t as it is. */
#define REFUSES(t, status, call)                                                                            \
    do {                                                                                                    \
        struct tensor before = tensor_copy(&(t));                                                           \
        const int32_t got = (call);                                                                         \
        check(got == (status) && same_bits(&before, &(t)) && guards_hold(&(t)), "%s gave %d", #call, (int)got); \
        tensor_free(&before);                                                                               \
    } while (0)

/* Levels that no build has, and those that this one has not. */
int32_t unsupported_level(int i);
#define UNSUPPORTED_LEVELS 5

#endif
