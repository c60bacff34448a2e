/*
 * libisthmus: the CPU kernels of the Isthmus inference engine. This is the library's one public header.
 *
 * Shapes are named with the same letters everywhere:
 *   T rows of a batch, C channels, H heads, D = C / H channels of a head, K inputs and N outputs of a
 *   matrix product, V vocabulary, P positions of the model's context.
 * All tensors are dense, row-major float32; no alignment is assumed.
 *
 * Every kernel
 *   - takes the instruction-set level to run at as its first argument (isthmus_best_level() unless a test
 *     forces another), so that the library holds no mutable state and is safe from any thread;
 *   - computes the half-open range of rows, columns or heads that it is given, so that callers split the
 *     work among their own threads; an element's value does not depend on the range it is computed in;
 *   - allocates nothing, keeps no pointer, and returns a status.
 */
#ifndef ISTHMUS_H
#define ISTHMUS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ISTHMUS_ABI_VERSION 1

/* Statuses. */
#define ISTHMUS_OK 0
#define ISTHMUS_INVALID (-1)     /* an argument is null, negative or out of range; nothing was written */
#define ISTHMUS_UNSUPPORTED (-2) /* this CPU or this build lacks the level asked for */

/* Levels. NEON is the only one besides BASELINE on arm64; AVX2 and AVX512 the only ones on x86-64. */
#define ISTHMUS_LEVEL_BASELINE 0
#define ISTHMUS_LEVEL_AVX2 1   /* AVX2, FMA */
#define ISTHMUS_LEVEL_AVX512 2 /* AVX-512 F, BW, DQ, VL */
#define ISTHMUS_LEVEL_NEON 3

/* Activations, by transformers' names. */
#define ISTHMUS_ACT_NONE 0
#define ISTHMUS_ACT_GELU_TANH 1 /* gelu_new, gelu_pytorch_tanh: x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) */
#define ISTHMUS_ACT_GELU_ERF 2  /* gelu: x/2 (1 + erf(x / sqrt 2)) */
#define ISTHMUS_ACT_RELU 3

/* Layouts of a weight matrix. */
#define ISTHMUS_LAYOUT_IN_OUT 0 /* [K, N], as GPT-2's Conv1D stores it */
#define ISTHMUS_LAYOUT_OUT_IN 1 /* [N, K], as nn.Linear and the tied embedding store it */

/* The most rows that isthmus_matmul takes in one call. */
#define ISTHMUS_MATMUL_MAX_ROWS 16

/* The ABI version this library was built with; callers refuse one that is not ISTHMUS_ABI_VERSION. */
int32_t isthmus_abi_version(void);

/* 1 if this build has the level and this CPU and operating system can run it, else 0. */
int32_t isthmus_level_supported(int32_t level);

/* The fastest level that is supported. */
int32_t isthmus_best_level(void);

/* x[t] = wte[tokens[t]] + wpe[positions[t]] for t in [t0, t1).  wte [V, C], wpe [P, C], x [T, C]. */
int32_t isthmus_embedding(int32_t level, const float *wte, const float *wpe, const int32_t *tokens,
                          const int32_t *positions, float *x, int64_t V, int64_t P, int64_t C, int64_t t0,
                          int64_t t1);

/* out[t] = (x[t] - mean) / sqrt(variance + epsilon) * weight + bias for t in [t0, t1), with the biased
 * variance; mean and variance are summed in double.  x, out [T, C] (may be the same); weight, bias [C]. */
int32_t isthmus_layer_norm(int32_t level, const float *x, const float *weight, const float *bias, float *out,
                           int64_t C, double epsilon, int64_t t0, int64_t t1);

/* x[t, n] = activation(x[t, n] + bias[n]) for t in [0, T), n in [n0, n1).  x [T, N]; bias [N] or null. */
int32_t isthmus_bias_activation(int32_t level, float *x, const float *bias, int32_t activation, int64_t T,
                                int64_t N, int64_t n0, int64_t n1);

/* x[t] += y[t] for t in [t0, t1).  x, y [T, C]. */
int32_t isthmus_residual_add(int32_t level, float *x, const float *y, int64_t C, int64_t t0, int64_t t1);

/* out[t, n] = sum over k of x[t, k] * w(k, n), for t in [0, T), n in [n0, n1), T <= ISTHMUS_MATMUL_MAX_ROWS.
 * x [T, K]; w [K, N] or [N, K] by layout; out [T, N].  Each weight is read once for all rows. */
int32_t isthmus_matmul(int32_t level, const float *x, const float *w, float *out, int32_t layout, int64_t T,
                       int64_t K, int64_t N, int64_t n0, int64_t n1);

/* x[t] = softmax(x[t]) for t in [t0, t1), with the row's maximum subtracted and the sum in double.  x [T, N]. */
int32_t isthmus_softmax(int32_t level, float *x, int64_t N, int64_t t0, int64_t t1);

/*
 * The KV cache as the kernels see it. A sequence's past lies in blocks of block_positions positions; each
 * block holds, for one layer at layer_offset floats from its start, keys [H, block_positions, D] and then
 * values [H, block_positions, D]. blocks holds the blocks' addresses for all sequences, one after another;
 * those of sequence s begin at blocks[block_start[s]]. Position p of s is row p % block_positions of its block
 * p / block_positions.
 */

/* Copies the keys and values of rows [t0, t1) of qkv [T, 3C] (q, k, v side by side) to their positions in the
 * cache: row t belongs to sequence sequences[t] at position positions[t]. */
int32_t isthmus_append_kv(int32_t level, const float *qkv, const int32_t *positions, const int32_t *sequences,
                          const uint64_t *blocks, const int64_t *block_start, int64_t block_positions,
                          int64_t layer_offset, int64_t H, int64_t D, int64_t t0, int64_t t1);

/* Causal attention of the queries in rows [t0, t1) of qkv [T, 3C], heads [h0, h1), over the cached positions
 * 0..positions[t] of the row's own sequence: out[t, h] = softmax(scale * q . keys) . values.  out [T, C].
 * One pass with a running maximum and sum, so no score buffer is needed. */
int32_t isthmus_attention(int32_t level, const float *qkv, float *out, const int32_t *positions,
                          const int32_t *sequences, const uint64_t *blocks, const int64_t *block_start,
                          int64_t block_positions, int64_t layer_offset, int64_t H, int64_t D, float scale,
                          int64_t t0, int64_t t1, int64_t h0, int64_t h1);

#ifdef __cplusplus
}
#endif

#endif
