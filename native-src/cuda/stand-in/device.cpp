#include "device.h"

#include <cstdlib>
#include <cstring>

namespace stand_in {

thread_local void *current_context;

device &the_device()
{
    static device *const d = new device(); /* outlives threads that end after main */
    return *d;
}

void *primary_context()
{
    static char context;
    return &context;
}

int64_t fault(const std::string &name, int64_t otherwise)
{
    const auto &faults = the_device().faults;
    const auto found = faults.find(name);
    return found == faults.end() ? otherwise : found->second;
}

bool strikes(const std::string &name)
{
    const auto found = the_device().faults.find(name);
    return found != the_device().faults.end() && found->second > 0 && --found->second == 0;
}

void read_faults(const char *settings)
{
    for (std::string rest = settings ? settings : ""; !rest.empty();) {
        const size_t comma = rest.find(','), equals = rest.find('=');
        if (equals < comma)
            the_device().faults[rest.substr(0, equals)] = std::atoll(rest.c_str() + equals + 1);
        rest = comma == std::string::npos ? "" : rest.substr(comma + 1);
    }
}

static bool lies_in(const std::map<device_pointer, int64_t> &allocations, device_pointer at, int64_t bytes)
{
    auto above = allocations.upper_bound(at);
    if (above == allocations.begin())
        return false;
    --above;
    return at + (uint64_t)bytes <= above->first + (uint64_t)above->second;
}

bool is_allocated(device_pointer at, int64_t bytes)
{
    return bytes >= 0 && (lies_in(the_device().allocations, at, bytes) || lies_in(the_device().pinned, at, bytes));
}

int ready()
{
    const device &d = the_device();
    if (!d.initialized)
        return CUDA_ERROR_NOT_INITIALIZED;
    if (d.retained == 0 || current_context == nullptr)
        return CUDA_ERROR_INVALID_CONTEXT;
    return d.error;
}

int ready_outside_capture()
{
    const int status = ready();
    if (status == CUDA_SUCCESS && the_device().captures > 0)
        return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    return status;
}

int enqueue(void *handle, work work)
{
    const int status = ready();
    if (status != CUDA_SUCCESS)
        return status;
    stream *s = static_cast<stream *>(handle);
    if (s && s->capture) {
        s->capture->nodes.push_back(std::move(work));
        return CUDA_SUCCESS;
    }
    if (!s && the_device().captures > 0)
        return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    the_device().enqueued.push_back(std::move(work));
    return CUDA_SUCCESS;
}

int drain()
{
    device &d = the_device();
    while (!d.enqueued.empty() && d.error == CUDA_SUCCESS) {
        const work next = std::move(d.enqueued.front());
        d.enqueued.pop_front();
        const int status = next();
        if (d.error == CUDA_SUCCESS)
            d.error = status;
    }
    d.enqueued.clear();
    return d.error;
}

}

/* Sets a fault; stand-in/README.md lists them. */
EXPORT void isthmus_stand_in_fault(const char *name, int64_t value)
{
    std::lock_guard<std::recursive_mutex> guard(stand_in::the_device().lock);
    stand_in::the_device().faults[name] = value;
}

/* Takes all faults back. A device on which a kernel failed stays dead. */
EXPORT void isthmus_stand_in_reset()
{
    std::lock_guard<std::recursive_mutex> guard(stand_in::the_device().lock);
    stand_in::the_device().faults.clear();
}

/* How often something happened, or how much there is of it; stand-in/README.md lists the names. */
EXPORT int64_t isthmus_stand_in_count(const char *name)
{
    std::lock_guard<std::recursive_mutex> guard(stand_in::the_device().lock);
    if (std::strcmp(name, "launches") == 0)
        stand_in::drain();
    if (std::strcmp(name, "allocated_bytes") == 0)
        return stand_in::the_device().allocated_bytes;
    return stand_in::the_device().counts[name];
}
