/* The stand-in driver: that it computes what it is asked to, and refuses what a driver would. */
#include <functional>

#include "harness.h"
#include "stand-in/device.h"

extern "C" {
int cuInit(unsigned);
int cuDriverGetVersion(int *);
int cuDeviceGetCount(int *);
int cuDevicePrimaryCtxRetain(void **, int);
int cuDevicePrimaryCtxRelease_v2(int);
int cuCtxSetCurrent(void *);
int cuCtxSynchronize();
int cuMemAlloc_v2(device_pointer *, size_t);
int cuMemFree_v2(device_pointer);
int cuMemcpyHtoD_v2(device_pointer, const void *, size_t);
int cuMemcpyHtoDAsync_v2(device_pointer, const void *, size_t, void *);
int cuMemcpyDtoH_v2(void *, device_pointer, size_t);
int cuMemsetD32Async(device_pointer, unsigned, size_t, void *);
int cuModuleLoadDataEx(void **, const void *, unsigned, int *, void **);
int cuModuleGetFunction(void **, void *, const char *);
int cuFuncSetAttribute(void *, int, int);
int cuLaunchKernel(void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void *, void **, void **);
int cuStreamCreate(void **, unsigned);
int cuStreamDestroy_v2(void *);
int cuStreamSynchronize(void *);
int cuStreamBeginCapture_v2(void *, int);
int cuStreamEndCapture(void *, void **);
int cuGraphInstantiateWithFlags(void **, void *, unsigned long long);
int cuGraphLaunch(void *, void *);
int cuGraphDestroy(void *);
int cuGraphExecDestroy(void *);
int cublasCreate_v2(void **);
int cublasDestroy_v2(void *);
int cublasSetStream_v2(void *, void *);
int cublasGemmEx(void *, int, int, int, int, int, const float *, const void *, int, int, const void *, int, int,
                 const float *, void *, int, int, int, int);
void isthmus_stand_in_fault(const char *, int64_t);
void isthmus_stand_in_reset();
int64_t isthmus_stand_in_count(const char *);
}

static const unsigned char FATBIN[] = {0x50, 0xed, 0x55, 0xba};

#define GIVES(status, call)                                \
    do {                                                   \
        const int got = (call);                            \
        check(got == (status), "%s gave %d", #call, got);  \
    } while (0)

static device_pointer on_device(const std::vector<float> &values)
{
    device_pointer address = 0;
    GIVES(CUDA_SUCCESS, cuMemAlloc_v2(&address, values.size() * 4));
    GIVES(CUDA_SUCCESS, cuMemcpyHtoD_v2(address, values.data(), values.size() * 4));
    return address;
}

static std::vector<float> from_device(device_pointer address, size_t count)
{
    std::vector<float> values(count);
    GIVES(CUDA_SUCCESS, cuMemcpyDtoH_v2(values.data(), address, count * 4));
    return values;
}

static void *function_named(const char *name)
{
    void *module = nullptr, *function = nullptr;
    GIVES(CUDA_SUCCESS, cuModuleLoadDataEx(&module, FATBIN, 0, nullptr, nullptr));
    GIVES(CUDA_SUCCESS, cuModuleGetFunction(&function, module, name));
    GIVES(CUDA_ERROR_NOT_FOUND, cuModuleGetFunction(&function, module, "attention_decode_bf16_48"));
    return function;
}

static void starts()
{
    device_pointer address;
    void *context;
    int number;
    isthmus_stand_in_fault("init", CUDA_ERROR_NO_DEVICE);
    GIVES(CUDA_ERROR_NO_DEVICE, cuInit(0));
    GIVES(CUDA_ERROR_NOT_INITIALIZED, cuMemAlloc_v2(&address, 4));
    isthmus_stand_in_reset();
    GIVES(CUDA_SUCCESS, cuInit(0));
    GIVES(CUDA_ERROR_INVALID_CONTEXT, cuMemAlloc_v2(&address, 4));
    GIVES(CUDA_SUCCESS, cuDevicePrimaryCtxRetain(&context, 0));
    GIVES(CUDA_SUCCESS, cuDevicePrimaryCtxRetain(&context, 0));
    GIVES(CUDA_SUCCESS, cuCtxSetCurrent(context));
    GIVES(CUDA_SUCCESS, cuDevicePrimaryCtxRelease_v2(0));
    GIVES(CUDA_SUCCESS, cuCtxSynchronize());
    check(isthmus_stand_in_count("contexts") == 1, "a context that is retained twice is one");
    GIVES(CUDA_SUCCESS, cuDevicePrimaryCtxRelease_v2(0));
    GIVES(CUDA_ERROR_INVALID_CONTEXT, cuCtxSynchronize());
    GIVES(CUDA_ERROR_INVALID_CONTEXT, cuDevicePrimaryCtxRelease_v2(0));
    GIVES(CUDA_SUCCESS, cuDevicePrimaryCtxRetain(&context, 0));
    check(isthmus_stand_in_count("contexts") == 2, "a context that was released is made again");
    isthmus_stand_in_fault("driver_version", 11040);
    GIVES(CUDA_SUCCESS, cuDriverGetVersion(&number));
    check(number == 11040, "the driver's version: %d", number);
    isthmus_stand_in_fault("devices", 0);
    GIVES(CUDA_SUCCESS, cuDeviceGetCount(&number));
    check(number == 0, "devices: %d", number);
    isthmus_stand_in_reset();
}

static void allocates()
{
    device_pointer address = 0, other = 0;
    isthmus_stand_in_fault("allocation", 2);
    GIVES(CUDA_SUCCESS, cuMemAlloc_v2(&address, 100));
    GIVES(CUDA_ERROR_OUT_OF_MEMORY, cuMemAlloc_v2(&other, 100));
    GIVES(CUDA_SUCCESS, cuMemAlloc_v2(&other, 100));
    isthmus_stand_in_fault("memory", 300);
    GIVES(CUDA_SUCCESS, cuMemFree_v2(other));
    GIVES(CUDA_ERROR_OUT_OF_MEMORY, cuMemAlloc_v2(&other, 201));
    isthmus_stand_in_reset();
    check(std::isnan(from_device(address, 25)[24]), "fresh memory is NaN");
    char bytes[101];
    GIVES(CUDA_ERROR_INVALID_VALUE, cuMemcpyDtoH_v2(bytes, address, 101));
    GIVES(CUDA_ERROR_INVALID_VALUE, cuMemFree_v2(address + 1));
    const int64_t broken = isthmus_stand_in_count("broken_guards");
    *(char *)(uintptr_t)(address + 100) = 0;
    GIVES(CUDA_SUCCESS, cuMemFree_v2(address));
    check(isthmus_stand_in_count("broken_guards") == broken + 1, "a write behind an allocation is seen");
    check(isthmus_stand_in_count("allocated_bytes") == 0, "all is free");
}

/* x = softmax of x, twice: once launched and once as a graph in which it is captured. */
static void launches()
{
    int32_t N = 3;
    device_pointer x = on_device({0, 0, std::log(2.0f)});
    void *softmax = function_named("softmax"), *parameters[] = {&x, &N}, *stream, *graph, *instance;
    GIVES(CUDA_SUCCESS, cuStreamCreate(&stream, 0));
    const auto launch = [&](unsigned threads, unsigned shared, void *on) {
        return cuLaunchKernel(softmax, 1, 1, 1, threads, 1, 1, shared, on, parameters, nullptr);
    };
    GIVES(CUDA_SUCCESS, launch(256, 0, stream));
    check(is_close(from_device(x, 3)[2], 0.5, 1e-6), "launched");
    GIVES(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, launch(512, 0, stream));
    GIVES(CUDA_ERROR_INVALID_VALUE, launch(256, 50000, stream));
    GIVES(CUDA_SUCCESS, cuFuncSetAttribute(softmax, 8, 50000));
    GIVES(CUDA_ERROR_INVALID_VALUE, cuFuncSetAttribute(softmax, 8, 200000));

    device_pointer other;
    GIVES(CUDA_SUCCESS, cuStreamBeginCapture_v2(stream, 0));
    GIVES(CUDA_SUCCESS, cuMemsetD32Async(x, 0, 2, stream));
    GIVES(CUDA_SUCCESS, launch(256, 50000, stream));
    N = 1; /* what was captured stays */
    GIVES(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cuMemAlloc_v2(&other, 4));
    GIVES(CUDA_SUCCESS, cuStreamEndCapture(stream, &graph));
    check(is_close(from_device(x, 3)[0], 0.25, 1e-6), "captured, not launched");
    GIVES(CUDA_SUCCESS, cuGraphInstantiateWithFlags(&instance, graph, 0));
    GIVES(CUDA_SUCCESS, cuGraphDestroy(graph));
    for (int i = 0; i < 2; i++)
        GIVES(CUDA_SUCCESS, cuGraphLaunch(instance, stream));
    const double once = std::exp(0.5) / (2 + std::exp(0.5)), twice = std::exp(once) / (2 + std::exp(once));
    check(is_close(from_device(x, 3)[2], twice, 1e-6), "replayed twice");
    GIVES(CUDA_SUCCESS, cuGraphExecDestroy(instance));

    GIVES(CUDA_SUCCESS, cuStreamBeginCapture_v2(stream, 0));
    GIVES(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cuStreamSynchronize(stream));
    GIVES(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, cuStreamEndCapture(stream, &graph));

    GIVES(CUDA_SUCCESS, cuMemFree_v2(x));
    GIVES(CUDA_SUCCESS, cuStreamDestroy_v2(stream));
}

/* A copy reads its source when the device gets to it, which may be as late as somebody waits for it. */
static void copies_late()
{
    void *stream;
    std::vector<float> source = {1, 2};
    const device_pointer x = on_device({0, 0});
    GIVES(CUDA_SUCCESS, cuStreamCreate(&stream, 0));
    GIVES(CUDA_SUCCESS, cuMemcpyHtoDAsync_v2(x, source.data(), 8, stream));
    source[0] = 3;
    GIVES(CUDA_SUCCESS, cuStreamSynchronize(stream));
    source[1] = 4;
    const std::vector<float> got = from_device(x, 2);
    check(got[0] == 3 && got[1] == 2, "copied %g and %g", got[0], got[1]);
    GIVES(CUDA_SUCCESS, cuMemFree_v2(x));
    GIVES(CUDA_SUCCESS, cuStreamDestroy_v2(stream));
}

/* After a kernel has failed, nothing but a new process helps. */
static void dies()
{
    int32_t N = 3;
    void *context, *stream;
    device_pointer x = on_device({0, 0, 0});
    void *softmax = function_named("softmax"), *parameters[] = {&x, &N};
    GIVES(CUDA_SUCCESS, cuStreamCreate(&stream, 0));
    isthmus_stand_in_fault("launch", 1);
    GIVES(CUDA_SUCCESS, cuLaunchKernel(softmax, 1, 1, 1, 256, 1, 1, 0, stream, parameters, nullptr));
    GIVES(CUDA_ERROR_ILLEGAL_ADDRESS, cuStreamSynchronize(stream));
    GIVES(CUDA_ERROR_ILLEGAL_ADDRESS, cuMemFree_v2(x));
    isthmus_stand_in_reset();
    GIVES(CUDA_SUCCESS, cuDevicePrimaryCtxRelease_v2(0));
    GIVES(CUDA_ERROR_ILLEGAL_ADDRESS, cuDevicePrimaryCtxRetain(&context, 0));
}

/* out [T, N] = in [T, K] . w, w [N, K], as the engine asks for it; and w [K, N] as a product without transposition. */
static void multiplies()
{
    enum { T = 3, K = 5, N = 4, R_32F = 0, COMPUTE_32F = 68 };
    const std::vector<float> in = random_elements<float>(T * K), w = random_elements<float>(N * K);
    const std::vector<float> first = random_elements<float>(T * N);
    const device_pointer din = on_device(in), dw = on_device(w), out = on_device(first);
    void *cublas = nullptr;
    isthmus_stand_in_fault("cublas", 1);
    GIVES(1, cublasCreate_v2(&cublas));
    isthmus_stand_in_reset();
    GIVES(0, cublasCreate_v2(&cublas));
    const float one = 1, half = 0.5f;
    const auto pointer = [](device_pointer address) { return (void *)(uintptr_t)address; };
    GIVES(0, cublasGemmEx(cublas, 1, 0, N, T, K, &one, pointer(dw), R_32F, K, pointer(din), R_32F, K, &half, pointer(out),
                          R_32F, N, COMPUTE_32F, -1));
    const std::vector<float> got = from_device(out, T * N);
    GIVES(0, cublasGemmEx(cublas, 0, 0, N, T, K, &one, pointer(dw), R_32F, N, pointer(din), R_32F, K, &half, pointer(out),
                          R_32F, N, COMPUTE_32F, -1));
    const std::vector<float> then = from_device(out, T * N);
    bool right = true;
    for (int t = 0; t < T; t++)
        for (int n = 0; n < N; n++) {
            double rows = 0.5 * first[(size_t)(t * N + n)], columns = 0.5 * got[(size_t)(t * N + n)];
            for (int k = 0; k < K; k++) {
                rows += in[(size_t)(t * K + k)] * w[(size_t)(n * K + k)];
                columns += in[(size_t)(t * K + k)] * w[(size_t)(k * N + n)];
            }
            right &= is_close(got[(size_t)(t * N + n)], rows, 1e-6) && is_close(then[(size_t)(t * N + n)], columns, 1e-6);
        }
    check(right, "cublasGemmEx");
    GIVES(7, cublasGemmEx(cublas, 1, 0, N, T, K, &one, pointer(dw), R_32F, K - 1, pointer(din), R_32F, K, &half,
                          pointer(out), R_32F, N, COMPUTE_32F, -1));
    GIVES(0, cublasDestroy_v2(cublas));
    for (device_pointer address : {din, dw, out})
        GIVES(CUDA_SUCCESS, cuMemFree_v2(address));
}

void test_stand_in()
{
    starts();
    allocates();
    launches();
    copies_late();
    multiplies();
    dies();
}
