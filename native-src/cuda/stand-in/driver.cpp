/* The driver API's functions for the device, contexts, memory, copies, streams and events. */
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "device.h"

using namespace stand_in;

static const struct {
    int code;
    const char *name, *text;
} ERRORS[] = {
    {CUDA_SUCCESS, "CUDA_SUCCESS", "no error"},
    {CUDA_ERROR_INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {CUDA_ERROR_OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {CUDA_ERROR_NOT_INITIALIZED, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {CUDA_ERROR_NO_DEVICE, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {CUDA_ERROR_INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {CUDA_ERROR_INVALID_IMAGE, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {CUDA_ERROR_INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {CUDA_ERROR_NO_BINARY_FOR_GPU, "CUDA_ERROR_NO_BINARY_FOR_GPU",
     "no kernel image is available for execution on the device"},
    {CUDA_ERROR_INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {CUDA_ERROR_NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {CUDA_ERROR_NOT_READY, "CUDA_ERROR_NOT_READY", "device not ready"},
    {CUDA_ERROR_ILLEGAL_ADDRESS, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES",
     "too many resources requested for launch"},
    {CUDA_ERROR_LAUNCH_FAILED, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {CUDA_ERROR_SYSTEM_DRIVER_MISMATCH, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH",
     "system has unsupported display driver / cuda driver combination"},
    {CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED",
     "operation not permitted when stream is capturing"},
    {CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED",
     "operation failed due to a previous error during capture"},
};

EXPORT int cuGetErrorName(int error, const char **name)
{
    for (const auto &e : ERRORS)
        if (e.code == error)
            return *name = e.name, CUDA_SUCCESS;
    return *name = nullptr, CUDA_ERROR_INVALID_VALUE;
}

EXPORT int cuGetErrorString(int error, const char **text)
{
    for (const auto &e : ERRORS)
        if (e.code == error)
            return *text = e.text, CUDA_SUCCESS;
    return *text = nullptr, CUDA_ERROR_INVALID_VALUE;
}

/* The device. */

EXPORT int cuInit(unsigned flags)
{
    LOCKED;
    read_faults(std::getenv("ISTHMUS_STAND_IN_FAULTS"));
    REFUSE_UNLESS((int)fault("init", flags == 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE));
    the_device().initialized = true;
    return CUDA_SUCCESS;
}

EXPORT int cuDriverGetVersion(int *version)
{
    LOCKED;
    *version = (int)fault("driver_version", 13000);
    return CUDA_SUCCESS;
}

EXPORT int cuDeviceGetCount(int *count)
{
    LOCKED;
    if (!the_device().initialized)
        return CUDA_ERROR_NOT_INITIALIZED;
    *count = (int)fault("devices", 1);
    return CUDA_SUCCESS;
}

EXPORT int cuDeviceGet(int *device, int ordinal)
{
    int count = 0;
    REFUSE_UNLESS(cuDeviceGetCount(&count));
    if (ordinal < 0 || ordinal >= count)
        return CUDA_ERROR_INVALID_DEVICE;
    *device = ordinal;
    return CUDA_SUCCESS;
}

EXPORT int cuDeviceGetName(char *name, int length, int)
{
    std::snprintf(name, (size_t)length, "Isthmus stand-in (CPU emulation)");
    return CUDA_SUCCESS;
}

EXPORT int cuDeviceGetAttribute(int *value, int attribute, int)
{
    LOCKED;
    switch (attribute) {
    case 1: /* CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK */
        return *value = 1024, CUDA_SUCCESS;
    case 8: /* CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK */
        return *value = 48 * 1024, CUDA_SUCCESS;
    case 10: /* CU_DEVICE_ATTRIBUTE_WARP_SIZE */
        return *value = 32, CUDA_SUCCESS;
    case 16: /* CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT */
        return *value = 108, CUDA_SUCCESS;
    case 38: /* CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE */
        return *value = 40 << 20, CUDA_SUCCESS;
    case 75: /* CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR */
        return *value = (int)fault("capability", 80) / 10, CUDA_SUCCESS;
    case 76: /* CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR */
        return *value = (int)fault("capability", 80) % 10, CUDA_SUCCESS;
    case 97: /* CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN */
        return *value = 163 * 1024, CUDA_SUCCESS;
    default:
        return *value = 0, CUDA_ERROR_INVALID_VALUE;
    }
}

static int64_t total_memory()
{
    return fault("memory", (int64_t)1 << 30);
}

EXPORT int cuDeviceTotalMem_v2(size_t *bytes, int)
{
    LOCKED;
    *bytes = (size_t)total_memory();
    return CUDA_SUCCESS;
}

/* Contexts. */

EXPORT int cuDevicePrimaryCtxRetain(void **context, int)
{
    LOCKED;
    device &d = the_device();
    if (!d.initialized)
        return CUDA_ERROR_NOT_INITIALIZED;
    REFUSE_UNLESS(d.error);
    if (d.retained++ == 0)
        d.counts["contexts"]++;
    *context = primary_context();
    return CUDA_SUCCESS;
}

EXPORT int cuDevicePrimaryCtxRelease_v2(int)
{
    LOCKED;
    drain();
    if (the_device().retained == 0)
        return CUDA_ERROR_INVALID_CONTEXT;
    the_device().retained--;
    return CUDA_SUCCESS;
}

EXPORT int cuCtxSetCurrent(void *context)
{
    if (context && context != primary_context())
        return CUDA_ERROR_INVALID_CONTEXT;
    current_context = context;
    return CUDA_SUCCESS;
}

EXPORT int cuCtxGetCurrent(void **context)
{
    *context = current_context;
    return CUDA_SUCCESS;
}

EXPORT int cuCtxSynchronize()
{
    LOCKED;
    the_device().counts["synchronizations"]++;
    REFUSE_UNLESS(ready_outside_capture());
    return drain();
}

/* Memory. An allocation lies between guard bytes, and holds bytes that make NaN until it is written. */

enum { GUARD_BYTES = 256, GUARD = 0xd7, UNWRITTEN = 0xff };

EXPORT int cuMemGetInfo_v2(size_t *free, size_t *total)
{
    LOCKED;
    REFUSE_UNLESS(ready());
    *total = (size_t)total_memory();
    *free = *total - (size_t)the_device().allocated_bytes;
    return CUDA_SUCCESS;
}

EXPORT int cuMemAlloc_v2(device_pointer *address, size_t bytes)
{
    LOCKED;
    REFUSE_UNLESS(ready_outside_capture());
    device &d = the_device();
    if (bytes == 0)
        return CUDA_ERROR_INVALID_VALUE;
    if (strikes("allocation") || (int64_t)bytes > total_memory() - d.allocated_bytes)
        return CUDA_ERROR_OUT_OF_MEMORY;
    const size_t whole = (GUARD_BYTES + bytes + GUARD_BYTES + GUARD_BYTES - 1) / GUARD_BYTES * GUARD_BYTES;
    unsigned char *memory = (unsigned char *)std::aligned_alloc(GUARD_BYTES, whole);
    if (!memory)
        return CUDA_ERROR_OUT_OF_MEMORY;
    std::memset(memory, GUARD, whole);
    std::memset(memory + GUARD_BYTES, UNWRITTEN, bytes);
    *address = (device_pointer)(uintptr_t)(memory + GUARD_BYTES);
    d.allocations[*address] = (int64_t)bytes;
    d.allocated_bytes += (int64_t)bytes;
    d.counts["allocations"]++;
    return CUDA_SUCCESS;
}

EXPORT int cuMemFree_v2(device_pointer address)
{
    LOCKED;
    REFUSE_UNLESS(ready_outside_capture());
    REFUSE_UNLESS(drain());
    device &d = the_device();
    const auto found = d.allocations.find(address);
    if (address == 0 || found == d.allocations.end())
        return address == 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    unsigned char *begin = (unsigned char *)(uintptr_t)address, *end = begin + found->second;
    for (int i = 1; i <= GUARD_BYTES; i++)
        if (begin[-i] != GUARD || end[i - 1] != GUARD) {
            std::fprintf(stderr, "stand-in: something was written %d bytes %s an allocation of %lld bytes\n", i,
                         begin[-i] != GUARD ? "before" : "behind", (long long)found->second);
            d.counts["broken_guards"]++;
            break;
        }
    d.allocated_bytes -= found->second;
    d.allocations.erase(found);
    std::free(begin - GUARD_BYTES);
    return CUDA_SUCCESS;
}

EXPORT int cuMemHostAlloc(void **address, size_t bytes, unsigned)
{
    LOCKED;
    REFUSE_UNLESS(ready_outside_capture());
    *address = bytes == 0 ? nullptr : std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
    if (!*address)
        return bytes == 0 ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_OUT_OF_MEMORY;
    the_device().pinned[(device_pointer)(uintptr_t)*address] = (int64_t)bytes;
    return CUDA_SUCCESS;
}

EXPORT int cuMemFreeHost(void *address)
{
    LOCKED;
    REFUSE_UNLESS(ready_outside_capture());
    REFUSE_UNLESS(drain());
    if (the_device().pinned.erase((device_pointer)(uintptr_t)address) == 0)
        return CUDA_ERROR_INVALID_VALUE;
    std::free(address);
    return CUDA_SUCCESS;
}

EXPORT int cuMemHostGetDevicePointer_v2(device_pointer *device, void *address, unsigned)
{
    LOCKED;
    REFUSE_UNLESS(ready());
    *device = (device_pointer)(uintptr_t)address;
    return is_allocated(*device, 1) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* Copies. */

static work copying(void *to, const void *from, size_t bytes)
{
    return [=] { return std::memcpy(to, from, bytes), CUDA_SUCCESS; };
}

static void *pointer(device_pointer address)
{
    return (void *)(uintptr_t)address;
}

static int copy(bool synchronous, void *stream, bool valid, void *to, const void *from, size_t bytes)
{
    LOCKED;
    REFUSE_UNLESS(synchronous ? ready_outside_capture() : ready());
    if (!valid)
        return CUDA_ERROR_INVALID_VALUE;
    the_device().counts["synchronizations"] += synchronous;
    REFUSE_UNLESS(enqueue(stream, copying(to, from, bytes)));
    return synchronous ? drain() : CUDA_SUCCESS;
}

#define DEFINE_COPY(NAME, TO, FROM, VALID, TO_POINTER, FROM_POINTER)                               \
    EXPORT int NAME##_v2(TO to, FROM from, size_t bytes)                                           \
    {                                                                                              \
        return copy(true, nullptr, VALID, TO_POINTER, FROM_POINTER, bytes);                        \
    }                                                                                              \
    EXPORT int NAME##Async_v2(TO to, FROM from, size_t bytes, void *stream)                        \
    {                                                                                              \
        return copy(false, stream, VALID, TO_POINTER, FROM_POINTER, bytes);                        \
    }
DEFINE_COPY(cuMemcpyHtoD, device_pointer, const void *, is_allocated(to, (int64_t)bytes), pointer(to), from)
DEFINE_COPY(cuMemcpyDtoH, void *, device_pointer, is_allocated(from, (int64_t)bytes), to, pointer(from))
DEFINE_COPY(cuMemcpyDtoD, device_pointer, device_pointer,
            is_allocated(to, (int64_t)bytes) && is_allocated(from, (int64_t)bytes), pointer(to), pointer(from))

EXPORT int cuMemsetD8Async(device_pointer to, unsigned char value, size_t count, void *stream)
{
    LOCKED;
    REFUSE_UNLESS(ready());
    if (!is_allocated(to, (int64_t)count))
        return CUDA_ERROR_INVALID_VALUE;
    return enqueue(stream, [=] { return std::memset(pointer(to), value, count), CUDA_SUCCESS; });
}

EXPORT int cuMemsetD8_v2(device_pointer to, unsigned char value, size_t count)
{
    LOCKED;
    REFUSE_UNLESS(cuMemsetD8Async(to, value, count, nullptr));
    return drain();
}

EXPORT int cuMemsetD32Async(device_pointer to, unsigned value, size_t count, void *stream)
{
    LOCKED;
    REFUSE_UNLESS(ready());
    if (to % 4 != 0 || !is_allocated(to, (int64_t)count * 4))
        return CUDA_ERROR_INVALID_VALUE;
    return enqueue(stream, [=] {
        for (size_t i = 0; i < count; i++)
            static_cast<unsigned *>(pointer(to))[i] = value;
        return CUDA_SUCCESS;
    });
}

EXPORT int cuMemsetD32_v2(device_pointer to, unsigned value, size_t count)
{
    LOCKED;
    REFUSE_UNLESS(cuMemsetD32Async(to, value, count, nullptr));
    return drain();
}

/* Events: the time at which what was enqueued before them was done. */

struct event {
    std::chrono::steady_clock::time_point time;
    bool recorded = false;
};

EXPORT int cuEventCreate(void **created, unsigned)
{
    LOCKED;
    REFUSE_UNLESS(ready());
    *created = new event();
    return CUDA_SUCCESS;
}

EXPORT int cuEventDestroy_v2(void *destroyed)
{
    LOCKED;
    drain();
    delete static_cast<event *>(destroyed);
    return destroyed ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

EXPORT int cuEventRecord(void *recorded, void *stream)
{
    LOCKED;
    return enqueue(stream, [=] {
        event *e = static_cast<event *>(recorded);
        e->time = std::chrono::steady_clock::now();
        e->recorded = true;
        return CUDA_SUCCESS;
    });
}

EXPORT int cuEventSynchronize(void *)
{
    LOCKED;
    the_device().counts["synchronizations"]++;
    REFUSE_UNLESS(ready());
    return drain();
}

EXPORT int cuEventQuery(void *)
{
    LOCKED;
    REFUSE_UNLESS(ready());
    return drain();
}

EXPORT int cuEventElapsedTime(float *milliseconds, void *from, void *to)
{
    LOCKED;
    drain();
    const event *first = static_cast<event *>(from), *last = static_cast<event *>(to);
    if (!first->recorded || !last->recorded)
        return CUDA_ERROR_INVALID_HANDLE;
    *milliseconds = std::chrono::duration<float, std::milli>(last->time - first->time).count();
    return ready();
}

EXPORT int cuEventElapsedTime_v2(float *milliseconds, void *from, void *to)
{
    return cuEventElapsedTime(milliseconds, from, to);
}
