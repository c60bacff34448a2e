/* The functions of cuBLAS that the engine binds: matrix products, plainly and with float64 sums. */
#include <cmath>
#include <cstring>

#include "device.h"
#include "elements.h"

using namespace stand_in;

/* cublasStatus_t, cudaDataType_t and cublasComputeType_t, as far as they are used here. */
enum { OK = 0, NOT_INITIALIZED = 1, INVALID_VALUE = 7, EXECUTION_FAILED = 13, NOT_SUPPORTED = 15 };
enum { R_32F = 0, R_16F = 2, R_16BF = 14 };
enum { COMPUTE_32F = 68, COMPUTE_32F_PEDANTIC = 69, COMPUTE_32F_FAST_TF32 = 77 };
enum { NOT_TRANSPOSED = 0, TRANSPOSED = 1 };

struct handle {
    void *stream = nullptr;
};

EXPORT int cublasCreate_v2(void **created)
{
    LOCKED;
    if (fault("cublas", OK) != OK)
        return (int)fault("cublas", OK);
    if (ready() != CUDA_SUCCESS)
        return NOT_INITIALIZED;
    *created = new handle();
    return OK;
}

EXPORT int cublasDestroy_v2(void *destroyed)
{
    delete static_cast<handle *>(destroyed);
    return destroyed ? OK : NOT_INITIALIZED;
}

EXPORT int cublasGetVersion_v2(void *, int *version)
{
    *version = 130000;
    return OK;
}

EXPORT const char *cublasGetStatusString(int status)
{
    switch (status) {
    case OK:
        return "CUBLAS_STATUS_SUCCESS";
    case NOT_INITIALIZED:
        return "CUBLAS_STATUS_NOT_INITIALIZED";
    case INVALID_VALUE:
        return "CUBLAS_STATUS_INVALID_VALUE";
    case EXECUTION_FAILED:
        return "CUBLAS_STATUS_EXECUTION_FAILED";
    case NOT_SUPPORTED:
        return "CUBLAS_STATUS_NOT_SUPPORTED";
    default:
        return "unknown status";
    }
}

EXPORT int cublasSetStream_v2(void *of, void *stream)
{
    static_cast<handle *>(of)->stream = stream;
    return OK;
}

EXPORT int cublasSetWorkspace_v2(void *, void *workspace, size_t bytes)
{
    LOCKED;
    return bytes == 0 || is_allocated((device_pointer)(uintptr_t)workspace, (int64_t)bytes) ? OK : INVALID_VALUE;
}

EXPORT int cublasSetMathMode(void *, int)
{
    return OK;
}

/* Column-major matrices, one behind another, and one of them as float. */
struct matrices {
    device_pointer address;
    int type, ld;
    int64_t stride;

    int64_t element_bytes() const
    {
        return type == R_32F ? 4 : 2;
    }

    bool are_allocated(int64_t rows, int64_t columns, int batch) const
    {
        const int64_t elements = (batch - 1) * stride + (columns - 1) * ld + rows;
        return is_allocated(address, elements * element_bytes());
    }

    char *at(int i, int64_t row, int64_t column) const
    {
        return (char *)(uintptr_t)address + (i * stride + column * ld + row) * element_bytes();
    }

    float get(int i, int64_t row, int64_t column) const
    {
        const void *element = at(i, row, column);
        switch (type) {
        case R_16F:
            return to_float(*static_cast<const __half *>(element));
        case R_16BF:
            return to_float(*static_cast<const __nv_bfloat16 *>(element));
        default:
            return *static_cast<const float *>(element);
        }
    }

    void set(int i, int64_t row, int64_t column, float value) const
    {
        void *element = at(i, row, column);
        switch (type) {
        case R_16F:
            *static_cast<__half *>(element) = of_float<__half>(value);
            break;
        case R_16BF:
            *static_cast<__nv_bfloat16 *>(element) = of_float<__nv_bfloat16>(value);
            break;
        default:
            *static_cast<float *>(element) = value;
        }
    }

    /* The columns of op(matrix i), or its rows, one after another: each K numbers that a product adds up. */
    std::vector<float> vectors(int i, bool along_rows, int64_t K, int64_t count) const
    {
        std::vector<float> all((size_t)(K * count));
        for (int64_t n = 0; n < count; n++)
            for (int64_t k = 0; k < K; k++)
                all[(size_t)(n * K + k)] = along_rows ? get(i, n, k) : get(i, k, n);
        return all;
    }
};

struct product {
    bool transposed_a, transposed_b;
    int64_t m, n, k;
    float alpha, beta;
    matrices a, b, c;
    int batch;

    int compute() const
    {
        for (int i = 0; i < batch; i++) {
            const std::vector<float> rows = a.vectors(i, !transposed_a, k, m), columns = b.vectors(i, transposed_b, k, n);
            for (int64_t y = 0; y < m; y++)
                for (int64_t x = 0; x < n; x++) {
                    const float *row = rows.data() + y * k, *column = columns.data() + x * k;
                    double sums[4] = {};
                    for (int64_t j = 0; j < k; j++)
                        sums[j % 4] += (double)row[j] * (double)column[j];
                    const double sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
                    /* With a beta of 0, C is not read: it may hold anything. */
                    const double old = beta == 0 ? 0 : (double)beta * (double)c.get(i, y, x);
                    c.set(i, y, x, (float)((double)alpha * sum + old));
                }
        }
        return CUDA_SUCCESS;
    }
};

static bool is_supported(const product &p, int compute)
{
    const bool types = p.a.type == p.b.type && (p.a.type == R_32F || p.a.type == R_16F || p.a.type == R_16BF) &&
        (p.c.type == p.a.type || p.c.type == R_32F);
    return types && (compute == COMPUTE_32F || compute == COMPUTE_32F_PEDANTIC ||
                     (compute == COMPUTE_32F_FAST_TF32 && p.a.type == R_32F));
}

static int multiply(void *with, const product &p, int compute)
{
    LOCKED;
    if (p.m < 0 || p.n < 0 || p.k < 0 || p.batch < 0 || p.a.ld < (p.transposed_a ? p.k : p.m) ||
        p.b.ld < (p.transposed_b ? p.n : p.k) || p.c.ld < p.m)
        return INVALID_VALUE;
    if (!is_supported(p, compute))
        return NOT_SUPPORTED;
    if (!with || ready() != CUDA_SUCCESS)
        return with ? EXECUTION_FAILED : NOT_INITIALIZED;
    if (p.m == 0 || p.n == 0 || p.batch == 0)
        return OK;
    /* cuBLAS does not look: on a device this ends in an illegal address. */
    if (!p.a.are_allocated(p.transposed_a ? p.k : p.m, p.transposed_a ? p.m : p.k, p.batch) ||
        !p.b.are_allocated(p.transposed_b ? p.n : p.k, p.transposed_b ? p.k : p.n, p.batch) ||
        !p.c.are_allocated(p.m, p.n, p.batch)) {
        the_device().error = CUDA_ERROR_ILLEGAL_ADDRESS;
        return EXECUTION_FAILED;
    }
    the_device().counts["products"]++;
    return enqueue(static_cast<handle *>(with)->stream, [p] { return p.compute(); }) == CUDA_SUCCESS ? OK
                                                                                                       : EXECUTION_FAILED;
}

EXPORT int cublasGemmStridedBatchedEx(void *with, int op_a, int op_b, int m, int n, int k, const float *alpha,
                                      const void *a, int type_a, int lda, long long stride_a, const void *b, int type_b,
                                      int ldb, long long stride_b, const float *beta, void *c, int type_c, int ldc,
                                      long long stride_c, int batch, int compute, int)
{
    const product p = {op_a == TRANSPOSED, op_b == TRANSPOSED, m, n, k, *alpha, *beta,
                       {(device_pointer)(uintptr_t)a, type_a, lda, stride_a},
                       {(device_pointer)(uintptr_t)b, type_b, ldb, stride_b},
                       {(device_pointer)(uintptr_t)c, type_c, ldc, stride_c}, batch};
    return multiply(with, p, compute);
}

EXPORT int cublasGemmEx(void *with, int op_a, int op_b, int m, int n, int k, const float *alpha, const void *a, int type_a,
                        int lda, const void *b, int type_b, int ldb, const float *beta, void *c, int type_c, int ldc,
                        int compute, int algorithm)
{
    return cublasGemmStridedBatchedEx(with, op_a, op_b, m, n, k, alpha, a, type_a, lda, 0, b, type_b, ldb, 0, beta, c,
                                      type_c, ldc, 0, 1, compute, algorithm);
}
