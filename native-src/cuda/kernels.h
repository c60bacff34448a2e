/*
 * The CUDA kernels of the Isthmus inference engine: what their callers, which launch them through the driver API, must
 * know. This is the one place that says it.
 *
 * Shapes are named with the same letters everywhere:
 *   T rows of a batch, S sequences, C channels, H heads, D = C / H channels of a head, K inputs and N outputs of a matrix
 *   product, V vocabulary, P positions of the model's context.
 * Tensors are dense and row-major. Every pointer is a device address aligned to 16 bytes unless said otherwise, every
 * buffer is the caller's, and no kernel allocates. What changes from one decoding step to the next (tokens, positions,
 * block tables, random states) is read from device memory, so that a captured graph of a step can be replayed; kernels
 * take by value only what stays.
 *
 * Element types E: f32 (float), f16 (__half), bf16 (__nv_bfloat16). The residual stream x, the logits and all vectors of
 * weights (biases, norms, wpe) are float32 whatever E is; matrices, activations and the KV cache are of type E. Weight
 * matrices lie [N, K], the K inputs of an output side by side: cuBLAS then computes out[T, N] = in[T, K] . w as the
 * column-major product of w, transposed, and in, not transposed.
 *
 * A kernel's name ends in its types (layer_norm_bf16) and, for attention, in D (attention_decode_bf16_64). The heads of
 * other sizes than HEAD_SIZES have no kernel: cuModuleGetFunction does not find one, and callers refuse the model.
 *
 * Launches: the comment of each kernel gives its grid and block; dynamic shared memory is 0 unless it says otherwise. A
 * size above 48 KiB needs cuFuncSetAttribute(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES) once. ceil(a / b) is the
 * quotient rounded up. No dimension of a grid may be 0, so callers do not launch a kernel on no rows.
 */
#ifndef ISTHMUS_CUDA_KERNELS_H
#define ISTHMUS_CUDA_KERNELS_H

#include <stdint.h>

#ifdef __CUDACC__
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#else
#include "emulated/cuda_on_cpu.h"
#endif

/* X(element type, name) for each E; X(..., D) for each E and head size. */
#define FOR_ELEMENTS(X) X(float, f32) X(__half, f16) X(__nv_bfloat16, bf16)
#define HEAD_SIZES(X, E, name) X(E, name, 32) X(E, name, 64) X(E, name, 80) X(E, name, 96) X(E, name, 128)

/* Activations, as in isthmus.h. */
#define ACTIVATION_NONE 0
#define ACTIVATION_GELU_TANH 1 /* gelu_new, gelu_pytorch_tanh: x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) */
#define ACTIVATION_GELU_ERF 2  /* gelu: x/2 (1 + erf(x / sqrt 2)) */
#define ACTIVATION_RELU 3

/*
 * The KV cache. A sequence's past lies in blocks of CACHE_BLOCK positions, each allocated on its own; `blocks` holds the
 * blocks' device addresses for all sequences, uint64, and those of sequence s begin at blocks[block_start[s]]. A block
 * holds, for each layer at layer_offset bytes from its start, keys [H, CACHE_BLOCK, D] and then values
 * [H, CACHE_BLOCK, D] of type E: 2 * H * CACHE_BLOCK * D * sizeof(E) bytes a layer. Slots of positions not yet written
 * may hold anything. Row t belongs to sequence sequences[t] at position positions[t]; `blocks` must reach that position.
 */
#define CACHE_BLOCK 64

/* What the matrix products for few rows do with their sums. */
#define STORE 0 /* out = activation(sum + bias) */
#define ADD 1   /* out += sum + bias; the activation must be ACTIVATION_NONE */

/* The largest T of matmul_rows, and the outputs that one of its blocks computes. */
#define MATMUL_ROWS_MOST 8
#define MATMUL_ROWS_OUTPUTS 8

/* Rows of a sequence that one block of attention_prefill computes, and the most parts that attention_decode's cached
 * positions may be split into. */
#define ATTENTION_TILE 64
#define ATTENTION_MOST_SPLITS 64

/* The largest k of top_k. */
#define TOP_K_MOST 1024

/* How a row's token is chosen. 40 bytes. The fields mean what they mean to the engine's Sampler and Truncation. */
struct sampling {
    double temperature; /* 0 is greedy: the rest does not matter and no number is drawn */
    double top_p;       /* in (0, 1]; 1 for all */
    double min_p;       /* in [0, 1]; 0 for all */
    int32_t top_k;      /* >= 0; 0 for all */
    int32_t unused;
    uint64_t random;    /* the state of SplitMix64, advanced by the kernel with each number that it draws */
};

/* sample's scratch for a row: keys and weights of the tokens. */
#define SAMPLE_SCRATCH_BYTES(V) ((((V) + (int64_t)1023) / 1024 * 1024) * 16)

/* What argmax and sample write instead of an id: -1 - id of the first logit that is NaN or +infinity, or this where all
 * are -infinity. embedding answers such a token with NaN. */
#define NO_FINITE_LOGIT INT32_MIN

/*
 * x[t] = wte[tokens[t]] + wpe[positions[t]]; NaN where the token is not in [0, V) or the position not in [0, P).
 * wte [V, C]; wpe [P, C]; x [T, C].  grid (T), block (256).
 */
#define DECLARE_EMBEDDING(E, name)                                                                                      \
    extern "C" __global__ void embedding_##name(const E *wte, const float *wpe, const int32_t *tokens,                  \
                                                const int32_t *positions, float *x, int32_t C, int32_t V, int32_t P);

/*
 * out[t] = (x[t] - mean) / sqrt(variance + epsilon) * weight + bias, with the biased variance.  x, out [T, C]; weight,
 * bias [C]. For E = f32 out may be x.  grid (T), block (256).
 */
#define DECLARE_LAYER_NORM(E, name)                                                                                     \
    extern "C" __global__ void layer_norm_##name(const float *x, const float *weight, const float *bias, E *out,        \
                                                 int32_t C, float epsilon);

/*
 * x[t] += y[t] + y_bias, then out[t] = layer norm of x[t] as above.  x, y, out [T, C]; y_bias [C]; y and y_bias may each
 * be null, for nothing to be added.  grid (T), block (256).
 */
#define DECLARE_RESIDUAL_LAYER_NORM(E, name)                                                                            \
    extern "C" __global__ void residual_layer_norm_##name(float *x, const float *y, const float *y_bias,                \
                                                          const float *weight, const float *bias, E *out, int32_t C,    \
                                                          float epsilon);

/* x[t] += y[t] + y_bias.  As above, without the norm.  grid (T), block (256). */
extern "C" __global__ void residual_add(float *x, const float *y, const float *y_bias, int32_t C);

/*
 * out[t] = activation(y[t] + bias).  y [T, N] of type I, whose rows lie `stride` >= N elements apart; out [T, N] of type O;
 * they may be the same where the types are and stride is N; bias [N] or null. bias_activation_<I>_<O> exists for f32 to each type, f16 to f16 and bf16 to bf16.
 * grid (T, ceil(N / 1024)), block (256).
 */
#define DECLARE_BIAS_ACTIVATION(I, O, names)                                                                            \
    extern "C" __global__ void bias_activation_##names(const I *y, int32_t stride, const float *bias, O *out,           \
                                                       int32_t N, int32_t activation);
#define FOR_BIAS_ACTIVATIONS(X)                                                                                         \
    X(float, float, f32_f32)                                                                                            \
    X(float, __half, f32_f16)                                                                                           \
    X(float, __nv_bfloat16, f32_bf16)                                                                                   \
    X(__half, __half, f16_f16)                                                                                          \
    X(__nv_bfloat16, __nv_bfloat16, bf16_bf16)

/* x[t] = softmax(x[t]), with the row's maximum subtracted.  x [T, N] float32.  grid (T), block (256). */
extern "C" __global__ void softmax(float *x, int32_t N);

/* ids[t] = the lowest id of the largest of logits[t].  logits [T, V]; ids [T].  grid (T), block (1024). */
extern "C" __global__ void argmax(const float *logits, int32_t *ids, int32_t V);

/*
 * The k largest of logits[t], the largest first and of equal ones the lower id first, where 0 and -0 are equal. No logit
 * may be NaN.  logits [T, V]; values, ids [T, k]; 1 <= k <= TOP_K_MOST, k <= V.  grid (T), block (1024).
 */
extern "C" __global__ void top_k(const float *logits, float *values, int32_t *ids, int32_t V, int32_t k);

/*
 * tokens[t] = the token that the engine's Sampler takes from logits[t] by how[t]; how[t].random advances where a number
 * is drawn. The sums that a draw is decided by are added up in the Sampler's own order, so that the same token is drawn;
 * top_p's are not, so that tokens may differ where a cumulative probability equals top_p to 13 digits or so.
 * logits [T, V]; powers [2048] float64, 2^(j / 2048), the table of the engine's Exponentials; how [T] struct sampling;
 * scratch T times SAMPLE_SCRATCH_BYTES(V) bytes; tokens [T].
 * grid (T), block (1024), dynamic shared memory ceil(V / 64) * 8 bytes.
 */
extern "C" __global__ void sample(const float *logits, const double *powers, struct sampling *how, void *scratch,
                                  int32_t *tokens, int32_t V);

/*
 * Ends a decoding step: positions[t] += 1, and unless `chosen` is null chosen[*step % capacity][t] = tokens[t]; then
 * *step += 1.  tokens, positions [T]; chosen [capacity, T], which may be mapped host memory; step one int32.
 * grid (1), block (256).
 */
extern "C" __global__ void advance(const int32_t *tokens, int32_t *positions, int32_t *chosen, int32_t *step,
                                   int32_t capacity, int32_t T);

/*
 * Adds the bias to qkv [T, 3C] (queries, keys, values side by side), writes the queries to q [T, C] and the keys and
 * values to their places in the cache.  bias [3C] or null. q may be null, where nobody wants the queries. C = H * D; any
 * D.  grid (T, ceil(3C / 1024)), block (256).
 */
#define DECLARE_APPEND_KV(E, name)                                                                                      \
    extern "C" __global__ void append_kv_##name(const E *qkv, const float *bias, E *q, const int32_t *positions,        \
                                                const int32_t *sequences, const uint64_t *blocks,                       \
                                                const int64_t *block_start, int64_t layer_offset, int32_t H,            \
                                                int32_t D);

/*
 * Causal attention of many rows of a sequence: out[t, h] = softmax(scale * q[t, h] . keys) . values over the cached
 * positions 0..positions[t] of the row's sequence.  q, out [T, C], which may be the same; tiles [n, 2] int32, each a
 * first row and 1 to ATTENTION_TILE rows from it on, all of one sequence at positions one after another. Tiles are best
 * listed with the latest positions first, which take longest: heads come first in the grid, so that the longest tiles of
 * all heads start first. scale >= 0.
 * grid (H, n), n <= 65535; block (128) for f16 and bf16, (256) for f32; dynamic shared memory
 * ATTENTION_PREFILL_SHARED(E, D) bytes.
 */
#define DECLARE_ATTENTION_PREFILL(E, name, D)                                                                           \
    extern "C" __global__ void attention_prefill_##name##_##D(                                                          \
        const E *q, E *out, const int32_t *tiles, const int32_t *positions, const int32_t *sequences,                   \
        const uint64_t *blocks, const int64_t *block_start, int64_t layer_offset, int32_t H, float scale);
#define ATTENTION_PREFILL_THREADS(element_bytes) ((element_bytes) == 4 ? 256 : 128)
#define ATTENTION_PREFILL_SHARED(element_bytes, D) \
    ((element_bytes) == 4 ? (2 * 64 * ((D) + 4) + 64 * 68) * 4 : 5 * 64 * (D) * 2)

/*
 * The same for rows that each stand for themselves, such as one of each sequence: the positions of row t are split into
 * gridDim.x parts of whole cache blocks, and each part's result, relative to its own maximum, goes to partial
 * [T, H, splits, D + 2] float32: D sums, the maximum (of scores times log2 e), the sum of the exponentials. Parts without
 * positions write a maximum of -infinity. attention_combine puts them together. A single part is the whole: it goes to
 * out [T, C], which may be q, and partial may be null.
 * grid (splits, H, T) with 1 <= splits <= ATTENTION_MOST_SPLITS, T <= 65535; block (128).
 */
#define DECLARE_ATTENTION_DECODE(E, name, D)                                                                            \
    extern "C" __global__ void attention_decode_##name##_##D(                                                           \
        const E *q, float *partial, E *out, const int32_t *positions, const int32_t *sequences, const uint64_t *blocks, \
        const int64_t *block_start, int64_t layer_offset, int32_t H, float scale);

/* out[t, h] from partial[t, h].  out [T, C].  grid (T, H), block (128). */
#define DECLARE_ATTENTION_COMBINE(E, name)                                                                              \
    extern "C" __global__ void attention_combine_##name(const float *partial, E *out, int32_t H, int32_t D,             \
                                                        int32_t splits);

/* out[i] = x[rows[i]].  x [T, C]; rows [R] int32, each in [0, T); out [R, C].  grid (R), block (256). */
extern "C" __global__ void select_rows(const float *x, const int32_t *rows, float *out, int32_t C);

/* out[i] = in[i], rounded to nearest even, for i in [0, n).  convert_<I>_<O> exists for f32 to f16 and bf16, and back.
 * in and out may be misaligned to 16 bytes.  grid (ceil(n / 1024)), block (256). */
#define DECLARE_CONVERT(I, O, names) \
    extern "C" __global__ void convert_##names(const I *in, O *out, int64_t n);
#define FOR_CONVERSIONS(X)                                                                                              \
    X(float, __half, f32_f16)                                                                                           \
    X(float, __nv_bfloat16, f32_bf16)                                                                                   \
    X(__half, float, f16_f32)                                                                                           \
    X(__nv_bfloat16, float, bf16_f32)

/* out[n, k] = in[k, n], rounded to E.  in [K, N] float32, out [N, K].  grid (ceil(N / 32), ceil(K / 32)), block (32, 8);
 * K <= 2097120. */
#define DECLARE_TRANSPOSE(E, name) \
    extern "C" __global__ void transpose_f32_##name(const float *in, E *out, int32_t K, int32_t N);

/*
 * sum = in[t] . w[n] for T <= MATMUL_ROWS_MOST rows; each weight is read once.  in [T, K]; w [N, K]; bias [N] or null;
 * out [T, N], float32 for matmul_rows_<E>_f32 and of type E for matmul_rows_<E>_<E>; store STORE or ADD. K must be a
 * multiple of 8.  grid (ceil(N / MATMUL_ROWS_OUTPUTS)), block (256).
 */
#define DECLARE_MATMUL_ROWS(E, O, names)                                                                                \
    extern "C" __global__ void matmul_rows_##names(const E *in, const E *w, const float *bias, O *out, int32_t T,       \
                                                   int32_t K, int32_t N, int32_t activation, int32_t store);
#define FOR_MATMUL_ROWS(X)                                                                                              \
    X(float, float, f32_f32)                                                                                            \
    X(__half, float, f16_f32)                                                                                           \
    X(__nv_bfloat16, float, bf16_f32)                                                                                   \
    X(__half, __half, f16_f16)                                                                                          \
    X(__nv_bfloat16, __nv_bfloat16, bf16_bf16)

#define DECLARE_ATTENTION_PREFILLS(E, name) HEAD_SIZES(DECLARE_ATTENTION_PREFILL, E, name)
#define DECLARE_ATTENTION_DECODES(E, name) HEAD_SIZES(DECLARE_ATTENTION_DECODE, E, name)

FOR_ELEMENTS(DECLARE_EMBEDDING)
FOR_ELEMENTS(DECLARE_LAYER_NORM)
FOR_ELEMENTS(DECLARE_RESIDUAL_LAYER_NORM)
FOR_BIAS_ACTIVATIONS(DECLARE_BIAS_ACTIVATION)
FOR_ELEMENTS(DECLARE_APPEND_KV)
FOR_ELEMENTS(DECLARE_ATTENTION_PREFILLS)
FOR_ELEMENTS(DECLARE_ATTENTION_DECODES)
FOR_ELEMENTS(DECLARE_ATTENTION_COMBINE)
FOR_CONVERSIONS(DECLARE_CONVERT)
FOR_ELEMENTS(DECLARE_TRANSPOSE)
FOR_MATMUL_ROWS(DECLARE_MATMUL_ROWS)

#endif
