/* Launching kernels on the CPU. */
#ifndef ISTHMUS_CUDA_EMULATOR_H
#define ISTHMUS_CUDA_EMULATOR_H

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "cuda_on_cpu.h"

namespace emulated {

/*
 * Runs `thread` for each thread of each block of a grid, blocks and threads in an order that the seed decides. Dynamic
 * shared memory is filled with 0xff, which makes NaN of what is read before it is written. One launch at a time in a
 * process; callers see to that.
 *
 * Returns what went wrong, such as a barrier that not all threads reached, or "".
 */
std::string launch(dim3 grid, dim3 block, size_t shared_bytes, uint64_t seed, const std::function<void()> &thread);

/* A kernel that can be launched by its name, with its arguments behind pointers as cuLaunchKernel has them. */
struct kernel {
    std::string name;
    void (*call)(void **arguments);
    int threads;                /* the block size that its launch bounds allow */
    std::vector<size_t> sizes;  /* of its parameters in bytes */
};

/* The kernel of this name, or null. */
const kernel *find_kernel(const std::string &name);

}

#endif
