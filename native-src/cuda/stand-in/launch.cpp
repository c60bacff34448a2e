/* The driver API's functions for modules, kernels, streams and graphs. */
#include <cstdio>
#include <cstring>

#include "device.h"
#include "emulated/emulator.h"

using namespace stand_in;

/* Limits of compute capability 8.0. */
enum { MOST_GRID_YZ = 65535, SHARED_BYTES = 48 * 1024, MOST_SHARED_BYTES = 163 * 1024 };

struct function {
    const emulated::kernel *kernel;
    size_t most_shared = SHARED_BYTES; /* dynamic, unless cuFuncSetAttribute allows more */
};

struct module {
    std::map<std::string, function> functions;
};

EXPORT int cuModuleLoadDataEx(void **loaded, const void *image, unsigned, int *, void **)
{
    LOCKED;
    REFUSE_UNLESS(ready_outside_capture());
    REFUSE_UNLESS((int)fault("module", CUDA_SUCCESS));
    static const unsigned char FATBIN[] = {0x50, 0xed, 0x55, 0xba};
    if (!image || std::memcmp(image, FATBIN, sizeof(FATBIN)) != 0)
        return CUDA_ERROR_INVALID_IMAGE;
    *loaded = new module();
    return CUDA_SUCCESS;
}

EXPORT int cuModuleUnload(void *unloaded)
{
    LOCKED;
    delete static_cast<module *>(unloaded);
    return unloaded ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

EXPORT int cuModuleGetFunction(void **found, void *in, const char *name)
{
    LOCKED;
    REFUSE_UNLESS(ready());
    const emulated::kernel *kernel = emulated::find_kernel(name);
    if (!kernel)
        return CUDA_ERROR_NOT_FOUND;
    function &f = static_cast<module *>(in)->functions[name];
    f.kernel = kernel;
    *found = &f;
    return CUDA_SUCCESS;
}

enum { CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK = 0, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES = 8 };

EXPORT int cuFuncSetAttribute(void *set, int attribute, int value)
{
    LOCKED;
    REFUSE_UNLESS(ready());
    if (attribute != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES || value < 0 || value > MOST_SHARED_BYTES)
        return CUDA_ERROR_INVALID_VALUE;
    static_cast<function *>(set)->most_shared = (size_t)value;
    return CUDA_SUCCESS;
}

EXPORT int cuFuncGetAttribute(int *value, int attribute, void *of)
{
    LOCKED;
    REFUSE_UNLESS(ready());
    const function *f = static_cast<function *>(of);
    switch (attribute) {
    case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
        return *value = f->kernel->threads, CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
        return *value = (int)f->most_shared, CUDA_SUCCESS;
    default:
        return CUDA_ERROR_INVALID_VALUE;
    }
}

/* The values of a launch's arguments, as they were when it was enqueued. */
struct arguments {
    std::vector<std::vector<char>> values;

    arguments(const emulated::kernel &kernel, void **parameters)
    {
        for (size_t i = 0; i < kernel.sizes.size(); i++) {
            const char *value = static_cast<const char *>(parameters[i]);
            values.emplace_back(value, value + kernel.sizes[i]);
        }
    }

    int run(const emulated::kernel &kernel, dim3 grid, dim3 block, size_t shared) const
    {
        device &d = the_device();
        const uint64_t seed = (uint64_t)fault("seed", 0) + (uint64_t)d.counts["launches"]++;
        std::vector<void *> pointers;
        for (const auto &value : values)
            pointers.push_back(const_cast<char *>(value.data()));
        if (strikes("launch")) {
            d.error = CUDA_ERROR_ILLEGAL_ADDRESS;
            return CUDA_SUCCESS;
        }
        const std::string failure = emulated::launch(grid, block, shared, seed, [&] { kernel.call(pointers.data()); });
        if (!failure.empty()) {
            std::fprintf(stderr, "stand-in: %s: %s\n", kernel.name.c_str(), failure.c_str());
            d.error = CUDA_ERROR_LAUNCH_FAILED;
        }
        return CUDA_SUCCESS;
    }
};

EXPORT int cuLaunchKernel(void *launched, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                          unsigned block_y, unsigned block_z, unsigned shared, void *stream, void **parameters, void **)
{
    LOCKED;
    REFUSE_UNLESS(ready());
    const function *f = static_cast<function *>(launched);
    if (!f || !parameters)
        return CUDA_ERROR_INVALID_HANDLE;
    const dim3 grid = {grid_x, grid_y, grid_z}, block = {block_x, block_y, block_z};
    const uint64_t threads = (uint64_t)block_x * block_y * block_z;
    if (grid_x == 0 || grid_y == 0 || grid_z == 0 || threads == 0 || grid_x > 0x7fffffffu || grid_y > MOST_GRID_YZ ||
        grid_z > MOST_GRID_YZ || threads > 1024 || shared > f->most_shared)
        return CUDA_ERROR_INVALID_VALUE;
    if (threads > (uint64_t)f->kernel->threads)
        return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
    const emulated::kernel &kernel = *f->kernel;
    const arguments values(kernel, parameters);
    return enqueue(stream, [=, &kernel] { return values.run(kernel, grid, block, shared); });
}

/* Streams. */

EXPORT int cuStreamCreate(void **created, unsigned)
{
    LOCKED;
    REFUSE_UNLESS(ready());
    *created = new stream();
    return CUDA_SUCCESS;
}

EXPORT int cuStreamDestroy_v2(void *destroyed)
{
    LOCKED;
    drain();
    delete static_cast<stream *>(destroyed);
    return destroyed ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

/* A stream that is being captured cannot be waited for; trying it spoils the capture. */
static int waited_for(void *handle)
{
    LOCKED;
    REFUSE_UNLESS(ready());
    stream *s = static_cast<stream *>(handle);
    if (s && s->capture) {
        s->invalidated = true;
        return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    }
    return drain();
}

EXPORT int cuStreamSynchronize(void *handle)
{
    LOCKED;
    the_device().counts["synchronizations"]++;
    return waited_for(handle);
}

EXPORT int cuStreamQuery(void *handle)
{
    return waited_for(handle);
}

EXPORT int cuStreamWaitEvent(void *, void *, unsigned)
{
    LOCKED;
    return ready();
}

/* Graphs. */

EXPORT int cuStreamBeginCapture_v2(void *handle, int)
{
    LOCKED;
    REFUSE_UNLESS(ready());
    stream *s = static_cast<stream *>(handle);
    if (!s || s->capture)
        return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    s->capture = new graph();
    s->invalidated = false;
    the_device().captures++;
    return CUDA_SUCCESS;
}

EXPORT int cuStreamEndCapture(void *handle, void **captured)
{
    LOCKED;
    stream *s = static_cast<stream *>(handle);
    if (!s || !s->capture)
        return CUDA_ERROR_INVALID_VALUE;
    graph *g = s->capture;
    s->capture = nullptr;
    the_device().captures--;
    if (s->invalidated) {
        delete g;
        *captured = nullptr;
        return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    }
    the_device().counts["captures"]++;
    *captured = g;
    return ready();
}

EXPORT int cuGraphInstantiateWithFlags(void **instance, void *of, unsigned long long)
{
    LOCKED;
    REFUSE_UNLESS(ready());
    *instance = new graph(*static_cast<graph *>(of));
    return CUDA_SUCCESS;
}

EXPORT int cuGraphLaunch(void *instance, void *stream)
{
    LOCKED;
    REFUSE_UNLESS(ready());
    the_device().counts["graph_launches"]++;
    for (const work &node : static_cast<graph *>(instance)->nodes)
        REFUSE_UNLESS(enqueue(stream, node)); /* a copy: the graph may be destroyed before the work is done */
    return CUDA_SUCCESS;
}

EXPORT int cuGraphDestroy(void *destroyed)
{
    delete static_cast<graph *>(destroyed);
    return destroyed ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

EXPORT int cuGraphExecDestroy(void *destroyed)
{
    return cuGraphDestroy(destroyed);
}
