/* What the parts of the stand-in driver share: the device's state, behind one lock. */
#ifndef ISTHMUS_CUDA_STAND_IN_H
#define ISTHMUS_CUDA_STAND_IN_H

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#define EXPORT extern "C" __attribute__((visibility("default")))

/* CUresult, as far as it is used here; the values are the driver API's. */
enum : int {
    CUDA_SUCCESS = 0,
    CUDA_ERROR_INVALID_VALUE = 1,
    CUDA_ERROR_OUT_OF_MEMORY = 2,
    CUDA_ERROR_NOT_INITIALIZED = 3,
    CUDA_ERROR_NO_DEVICE = 100,
    CUDA_ERROR_INVALID_DEVICE = 101,
    CUDA_ERROR_INVALID_IMAGE = 200,
    CUDA_ERROR_INVALID_CONTEXT = 201,
    CUDA_ERROR_NO_BINARY_FOR_GPU = 209,
    CUDA_ERROR_INVALID_HANDLE = 400,
    CUDA_ERROR_NOT_FOUND = 500,
    CUDA_ERROR_NOT_READY = 600,
    CUDA_ERROR_ILLEGAL_ADDRESS = 700,
    CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES = 701,
    CUDA_ERROR_LAUNCH_FAILED = 719,
    CUDA_ERROR_SYSTEM_DRIVER_MISMATCH = 803,
    CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED = 900,
    CUDA_ERROR_STREAM_CAPTURE_INVALIDATED = 901,
};

typedef uint64_t device_pointer;

namespace stand_in {

/* One piece of work, done when it is enqueued or, captured in a graph, whenever that is launched. */
typedef std::function<int()> work;

struct graph {
    std::vector<work> nodes;
};

struct stream {
    graph *capture = nullptr; /* what it records into */
    bool invalidated = false;
};

struct device {
    std::recursive_mutex lock;
    bool initialized = false;
    int retained = 0; /* how often the primary context is */
    int error = CUDA_SUCCESS; /* that a kernel ended with; every call then gives it, until the process ends */
    std::deque<work> enqueued; /* what no call has waited for yet */
    std::map<device_pointer, int64_t> allocations, pinned; /* bytes by address */
    int64_t allocated_bytes = 0;
    int captures = 0; /* under way */
    std::map<std::string, int64_t> faults, counts;
};

device &the_device();
/* The context that is current in the calling thread: null, or the device's. */
extern thread_local void *current_context;
void *primary_context();

/* The value of a fault, or what holds without. */
int64_t fault(const std::string &name, int64_t otherwise);
/* Whether this is the call that the fault of this name is to strike. */
bool strikes(const std::string &name);
/* A setting "name=value,..." of faults. */
void read_faults(const char *settings);

/* Whether [at, at + bytes) lies in one allocation of device or pinned memory. */
bool is_allocated(device_pointer at, int64_t bytes);

/* CUDA_SUCCESS where the driver is initialized, the calling thread has the context and no kernel has failed. */
int ready();
/* The same for a call that may not happen while a stream is being captured, which it spoils. */
int ready_outside_capture();
/* Takes a stream's work, or records it where the stream is being captured. It is done as late as a device may do it. */
int enqueue(void *stream, work work);
/* Does all work that was enqueued, and says whether the device still lives. */
int drain();

}

/* How the exported functions begin. */
#define LOCKED std::lock_guard<std::recursive_mutex> guard(stand_in::the_device().lock)
#define REFUSE_UNLESS(status)              \
    do {                                   \
        const int refused = (status);      \
        if (refused != CUDA_SUCCESS)       \
            return refused;                \
    } while (0)

#endif
