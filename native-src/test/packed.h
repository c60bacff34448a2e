/* Reads packed matrices and rows of quantized activations number by number, as isthmus.h describes them. */
#ifndef ISTHMUS_TEST_PACKED_H
#define ISTHMUS_TEST_PACKED_H

#include "test.h"

extern const char *const TYPE_NAMES[];

/* Numbers of 16 bits: their values, and those nearest to a float, ties to even. */
double half_value(uint16_t half);
double bfloat_value(uint16_t bfloat);
uint16_t nearest_half(float x);
uint16_t nearest_bfloat(float x);

/* The inputs of a block of INT8 or Q4. */
int64_t block_size(int32_t type);

/* A packed matrix with no contents, and one of weights [K, N] or transposed. */
struct tensor matrix_new(int32_t type, int64_t K, int64_t N, int shift);
struct tensor matrix_packed(int32_t level, const struct tensor *weights, int32_t layout, int32_t type, int64_t K,
                            int64_t N, int shift);
/* Quantized rows with no contents, and those of x [T, K]. */
struct tensor rows_new(int32_t type, int64_t T, int64_t K, int shift);
struct tensor rows_quantized(int32_t level, const struct tensor *x, int32_t type, int64_t T, int64_t K, int shift);

/* A number of INT8 or Q4: the integer q stands for q * scale. */
struct quantum {
    int32_t q;
    double scale;
};
/* Input k of column n, also where it is padding of a panel or block. */
struct quantum weight_quantum(const struct tensor *matrix, int32_t type, int64_t K, int64_t k, int64_t n);
/* The same for every type, as a number. */
double weight_value(const struct tensor *matrix, int32_t type, int64_t K, int64_t k, int64_t n);
/* Element k of row t, also where it is padding; and where an integer sum over a block of the row begins. */
struct quantum input_quantum(const struct tensor *rows, int32_t type, int64_t K, int64_t t, int64_t k);
int32_t block_start_of(const struct tensor *rows, int32_t type, int64_t K, int64_t t, int64_t block);

#endif
