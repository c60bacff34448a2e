/*
 * The table of operations: X(op, result, parameters, ...) for each kernel in cpu/op.c. Arguments are as in isthmus.h,
 * less the level. The kernels' types and declarations (kernels.h), the levels' tables (dispatch.c) and the check that
 * each has a C test (test/harness.c) follow from it.
 */
#ifndef ISTHMUS_OPERATIONS_H
#define ISTHMUS_OPERATIONS_H

#define OPERATIONS(X, ...)                                                                                          \
    X(pack, void,                                                                                                   \
      (const f32 *weights, int32_t layout, const struct isthmus_matrix *matrix, int64_t k0, int64_t k1, int64_t n0, \
       int64_t n1),                                                                                                 \
      __VA_ARGS__)                                                                                                  \
    X(embedding, void,                                                                                              \
      (const struct isthmus_matrix *wte, const f32 *wpe, const struct isthmus_rows *rows, f32 *x, int64_t t0,       \
       int64_t t1),                                                                                                 \
      __VA_ARGS__)                                                                                                  \
    X(layer_norm, void, (const f32 *x, const struct isthmus_norm *norm, f32 *out, int64_t t0, int64_t t1),          \
      __VA_ARGS__)                                                                                                  \
    X(matmul, void,                                                                                                 \
      (const void *x, const struct isthmus_matrix *w, const struct isthmus_epilogue *epilogue, int64_t t0,          \
       int64_t t1, int64_t n0, int64_t n1),                                                                         \
      __VA_ARGS__)                                                                                                  \
    X(matmul_quantized, void,                                                                                       \
      (const void *q, const struct isthmus_matrix *w, const struct isthmus_epilogue *epilogue, int64_t t0,          \
       int64_t t1, int64_t n0, int64_t n1),                                                                         \
      __VA_ARGS__)                                                                                                  \
    X(quantize, void, (const f32 *x, int32_t type, void *q, int64_t K, int64_t t0, int64_t t1), __VA_ARGS__)        \
    X(append_kv, void,                                                                                              \
      (const f32 *qkv, const struct isthmus_rows *rows, const struct isthmus_kv *kv, int64_t t0, int64_t t1),       \
      __VA_ARGS__)                                                                                                  \
    X(attention, void,                                                                                              \
      (const struct isthmus_queries *queries, const struct isthmus_rows *rows, const struct isthmus_kv *kv,         \
       int64_t t0, int64_t t1, int64_t h0, int64_t h1),                                                             \
      __VA_ARGS__)                                                                                                  \
    X(read_bytes, int32_t, (const char *memory, int64_t bytes), __VA_ARGS__)                                        \
    X(multiply_adds, int64_t, (int32_t type, int64_t count), __VA_ARGS__)

#endif
