/*
 * libisthmus: the CPU kernels of the Isthmus inference engine. This is the library's one public header.
 *
 * Shapes are named with the same letters everywhere:
 *   T rows of a batch, C channels, H heads, D = C / H channels of a head, K inputs and N outputs of a
 *   matrix product, V vocabulary, P positions of the model's context.
 * Tensors are dense, row-major float32 unless said otherwise; no alignment is assumed of them. Structs are aligned to
 * 8 bytes.
 *
 * Every kernel
 *   - takes the instruction-set level to run at as its first argument (isthmus_best_level() unless a test
 *     forces another), so that kernels hold no mutable state and are safe from any thread;
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

#define ISTHMUS_ABI_VERSION 8

/* Statuses. */
#define ISTHMUS_OK 0
#define ISTHMUS_INVALID (-1)     /* an argument is null, negative or out of range; nothing was written */
#define ISTHMUS_UNSUPPORTED (-2) /* this CPU or this build lacks the level asked for */

/* Levels. NEON is the only one besides BASELINE on arm64; the others belong to x86-64. */
#define ISTHMUS_LEVEL_BASELINE 0
#define ISTHMUS_LEVEL_AVX2 1   /* AVX2, FMA, F16C */
#define ISTHMUS_LEVEL_AVX512 2 /* AVX-512 F, BW, DQ, VL */
#define ISTHMUS_LEVEL_NEON 3
#define ISTHMUS_LEVEL_VNNI 4 /* AVX-512 F, BW, DQ, VL, VNNI */

/* Activations, by transformers' names. */
#define ISTHMUS_ACT_NONE 0
#define ISTHMUS_ACT_GELU_TANH 1 /* gelu_new, gelu_pytorch_tanh: x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) */
#define ISTHMUS_ACT_GELU_ERF 2  /* gelu: x/2 (1 + erf(x / sqrt 2)) */
#define ISTHMUS_ACT_RELU 3

/* Layouts of a weight matrix in a checkpoint. */
#define ISTHMUS_LAYOUT_IN_OUT 0 /* [K, N], as GPT-2's Conv1D stores it */
#define ISTHMUS_LAYOUT_OUT_IN 1 /* [N, K], as nn.Linear and the tied embedding store it */

/*
 * Packed weight matrices. The N columns lie in panels of ISTHMUS_PANEL, each panel's K inputs one after another, so
 * that a product reads its weights in one stream. Columns and inputs that pad a panel or block are zero.
 *
 *   F32, F16, BF16   [K][64] elements a panel
 *   INT8             blocks of 128 inputs: [128 inputs / 4][64][4] bytes (fewer in the last block), each a weight's
 *                    round(w / scale) + 128, |round| <= 127, then the columns' scales, float16 [64]
 *   Q4               blocks of 32 inputs: [4][64][4] bytes, byte (i, n, j) with input 8i + j in its low and
 *                    8i + 4 + j in its high half, each round(w / scale) + 8, then the columns' scales, float16 [64]
 */
#define ISTHMUS_TYPE_F32 0
#define ISTHMUS_TYPE_F16 1
#define ISTHMUS_TYPE_BF16 2
#define ISTHMUS_TYPE_INT8 3
#define ISTHMUS_TYPE_Q4 4

#define ISTHMUS_PANEL 64
#define ISTHMUS_INT8_BLOCK 128
#define ISTHMUS_Q4_BLOCK 32

/* The rows that a product's micro-kernel takes at a time: tasks of a multiple of them leave none over. */
#define ISTHMUS_MR 6

/* A packed matrix. */
struct isthmus_matrix {
    void *data; /* isthmus_matrix_bytes(type, K, N) */
    int64_t K;
    int64_t N;
    int32_t type;
};

/* How a product's sums are stored. */
#define ISTHMUS_STORE 0 /* out = activation(sum + bias) */
#define ISTHMUS_ADD 1   /* out += sum + bias; the activation must be NONE */

/* The epilogue of a product: what its sums become. */
struct isthmus_epilogue {
    float *out;        /* [T, N] */
    const float *bias; /* [N] or null */
    int32_t activation;
    int32_t store;
};

/* A layer norm's parameters. */
struct isthmus_norm {
    const float *weight; /* [C], the gain */
    const float *bias;   /* [C] */
    int64_t C;
    double epsilon;
};

/* A batch: row t is the token tokens[t] at position positions[t] of sequence sequences[t]. */
struct isthmus_rows {
    const int32_t *tokens;
    const int32_t *positions;
    const int32_t *sequences;
};

/*
 * One layer's view of the KV cache. A sequence's past lies in blocks of ISTHMUS_CACHE_BLOCK positions; each block
 * holds, for one layer at layer_offset bytes from its start, the keys of each head and then the values of each head. Of
 * F32 and F16 elements, a head's keys are [D, ISTHMUS_CACHE_BLOCK] and its values [ISTHMUS_CACHE_BLOCK, D'], D' being D
 * rounded up to a multiple of 16. Of INT8 elements, a head's keys are [D / 4, ISTHMUS_CACHE_BLOCK, 4] unsigned bytes,
 * 128 standing for zero and D rounded up, and its values [ISTHMUS_CACHE_BLOCK / 4, D', 4] signed bytes, four positions
 * of a channel next to each other; the scale of each position follows, [ISTHMUS_CACHE_BLOCK] float32: the largest
 * magnitude of the head's channels is 127 scales.
 */
struct isthmus_kv {
    const uint64_t *blocks;     /* the blocks' addresses for all sequences, one sequence after another */
    const int64_t *block_start; /* those of sequence s begin at blocks[block_start[s]] */
    int64_t layer_offset;
    int64_t H;
    int64_t D;
    int32_t type;
};

#define ISTHMUS_CACHE_BLOCK 64
#define ISTHMUS_MAX_HEAD_CHANNELS 4096 /* the largest D */

/* The queries of attention, and where its results go. */
struct isthmus_queries {
    const float *qkv; /* [T, 3C]: q, k and v of each row */
    float *out;       /* [T, C] */
    float scale;      /* of the scores q . k */
};

/* The ABI version this library was built with; callers refuse one that is not ISTHMUS_ABI_VERSION. */
int32_t isthmus_abi_version(void);

/* 1 if this build has the level and this CPU and operating system can run it, else 0. */
int32_t isthmus_level_supported(int32_t level);

/* The fastest level that is supported. */
int32_t isthmus_best_level(void);

/* Zeroed memory from the operating system, in large pages where it has them to give; null where it has none. */
void *isthmus_map_memory(int64_t bytes);

/* Frees memory of isthmus_map_memory. */
int32_t isthmus_unmap_memory(void *memory, int64_t bytes);

/*
 * Weights may lie in a mapped file. Reading a page there that the file has lost since, being cut short, or that its
 * disk cannot deliver, raises SIGBUS, which ends a process. In a watched area the rest of the area becomes zeros
 * instead, and isthmus_is_whole tells. The first watch takes over the process's SIGBUS; faults outside of watched areas
 * go on to the handler that was there before.
 */
#define ISTHMUS_MAX_WATCHED 256

/* Watches an area that begins with a page. Returns a number for the next two, or a status: ISTHMUS_UNSUPPORTED where
 * ISTHMUS_MAX_WATCHED areas are watched, or the system gives no SIGBUS. */
int32_t isthmus_watch(void *memory, int64_t bytes);

/* 1 if every page of a watched area that was read was there, else 0. */
int32_t isthmus_is_whole(int32_t watch);

/* Ends watching, before the area is unmapped. */
int32_t isthmus_unwatch(int32_t watch);

/* Reads a part of a mapped file from the disk if need be, and maps its pages, so that the first use need not. */
int32_t isthmus_touch(const void *memory, int64_t bytes);

/* The bytes of a packed matrix; ISTHMUS_INVALID where the type is unknown or a size is not positive or too large. */
int64_t isthmus_matrix_bytes(int32_t type, int64_t K, int64_t N);

/* Packs inputs [k0, k1) of columns [n0, n1) of a matrix. `weights` holds just these, [k1 - k0, n1 - n0] or its
 * transpose by layout. k0 and n0 are multiples of the type's block and of ISTHMUS_PANEL; k1 and n1 too, or K and N.
 * The panels' padding is written as well. A scale is NaN where one of its weights is not finite, or too large for
 * float16: beyond about 8e6 for INT8, 5e5 for Q4. */
int32_t isthmus_pack(int32_t level, const float *weights, int32_t layout, const struct isthmus_matrix *matrix,
                     int64_t k0, int64_t k1, int64_t n0, int64_t n1);

/* x[t] = column tokens[t] of wte + wpe[positions[t]] for t in [t0, t1).  wte has K = C, N = V; wpe [P, C], x [T, C]. */
int32_t isthmus_embedding(int32_t level, const struct isthmus_matrix *wte, const float *wpe, int64_t P,
                          const struct isthmus_rows *rows, float *x, int64_t t0, int64_t t1);

/* out[t] = (x[t] - mean) / sqrt(variance + epsilon) * weight + bias for t in [t0, t1), with the biased
 * variance; mean and variance are summed in double.  x, out [T, C] (may be the same). */
int32_t isthmus_layer_norm(int32_t level, const float *x, const struct isthmus_norm *norm, float *out, int64_t t0,
                           int64_t t1);

/* sum = x[t] . column n of w for t in [t0, t1), n in [n0, n1), n0 a multiple of ISTHMUS_PANEL, n1 too or N; the
 * epilogue says what becomes of it.  x [T, K] as float32; for INT8 and Q4 in the form of isthmus_quantize. An element's
 * value does not depend on the other rows. */
int32_t isthmus_matmul(int32_t level, const void *x, const struct isthmus_matrix *w,
                       const struct isthmus_epilogue *epilogue, int64_t t0, int64_t t1, int64_t n0, int64_t n1);

/*
 * A row of activations for products with INT8 or Q4 weights: K signed bytes round(x / scale), |round| <= 127, padded
 * with zeros to a multiple of 32, and then for each of the weights' blocks of inputs its scale, float32, and the
 * integer sum of its bytes times -128 (INT8) or -8 (Q4), int32, which takes the weights' offset out of a product.
 */
int64_t isthmus_quantized_row_bytes(int32_t type, int64_t K);

/* q[t] = x[t] in that form for t in [t0, t1).  x [T, K]. */
int32_t isthmus_quantize(int32_t level, const float *x, int32_t type, void *q, int64_t K, int64_t t0, int64_t t1);

/* Copies the keys and values of rows [t0, t1) of qkv [T, 3C] (q, k and v of each row) to their positions in the
 * cache. */
int32_t isthmus_append_kv(int32_t level, const float *qkv, const struct isthmus_rows *rows,
                          const struct isthmus_kv *kv, int64_t t0, int64_t t1);

/* Causal attention of the queries in rows [t0, t1), heads [h0, h1), over the cached positions 0..positions[t] of the
 * row's own sequence: out[t, h] = softmax(scale * q . keys) . values. The rows of a sequence are adjacent, in the
 * order of their positions. Where keys are INT8, each head's queries are rounded to bytes as activations are
 * (isthmus_quantize), a head being one block, and in each block of positions, probabilities times the values' scales
 * are rounded to 1 / 65535 of the largest. */
int32_t isthmus_attention(int32_t level, const struct isthmus_queries *queries, const struct isthmus_rows *rows,
                          const struct isthmus_kv *kv, int64_t t0, int64_t t1, int64_t h0, int64_t h1);

/*
 * The machine's limits, for comparison. These two exist to be timed.
 */

/* Reads memory from end to end; *sum is the exclusive or of its 32-bit words. bytes a multiple of 64. */
int32_t isthmus_read_bytes(int32_t level, const void *memory, int64_t bytes, int32_t *sum);

/* Multiplies and adds in registers as a product with weights of the type does: in float32, or for INT8 and Q4 in bytes.
 * It adds up 1 * 1 at least `count` times, 0 <= count <= ISTHMUS_MAX_MULTIPLY_ADDS; *done is how often. */
#define ISTHMUS_MAX_MULTIPLY_ADDS 268435456 /* 2^28: sums of ones stay exact in float32 */
int32_t isthmus_multiply_adds(int32_t level, int32_t type, int64_t count, int64_t *done);

#ifdef __cplusplus
}
#endif

#endif
