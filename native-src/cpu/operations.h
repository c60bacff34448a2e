/*
 * The table of operations: X(op, ...) for each kernel in cpu/op.c. Its declarations and the levels' tables (kernels.h,
 * dispatch.c), the build's list of sources and the check that it has a C test follow from this.
 */
#ifndef ISTHMUS_OPERATIONS_H
#define ISTHMUS_OPERATIONS_H

#define OPERATIONS(X, ...)           \
    X(pack, __VA_ARGS__)             \
    X(embedding, __VA_ARGS__)        \
    X(layer_norm, __VA_ARGS__)       \
    X(matmul, __VA_ARGS__)           \
    X(matmul_quantized, __VA_ARGS__) \
    X(quantize, __VA_ARGS__)         \
    X(softmax, __VA_ARGS__)          \
    X(append_kv, __VA_ARGS__)        \
    X(attention, __VA_ARGS__)        \
    X(read_bytes, __VA_ARGS__)       \
    X(multiply_adds, __VA_ARGS__)

#endif
