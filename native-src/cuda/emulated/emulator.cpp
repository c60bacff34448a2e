#include "emulator.h"

#include <csetjmp>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <sys/mman.h>
#include <ucontext.h>
#include <vector>

dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace emulated {
namespace {

enum { MOST_THREADS = 1024, STACK_BYTES = 128 * 1024 };

enum class state { ready, at_block_barrier, at_warp_barrier, ended };

struct copy {
    void *to;
    const void *from;
    int group;
};

/* A fiber is made once and then runs one thread after another. */
struct fiber {
    jmp_buf context;
    bool made = false;
    state now = state::ended;
    int line = 0; /* of the barrier that it waits at */
    dim3 index;
    std::vector<copy> copies; /* those not made yet */
    int group = 0;
};

struct warp {
    lanes brought[2]; /* of this exchange and of the one before it, which lanes may still be reading */
    int current = 0, line = 0, words = 0;
    unsigned arrived = 0, mask = 0;
};

struct machine {
    fiber fibers[MOST_THREADS];
    warp warps[MOST_THREADS / 32];
    std::vector<int> ready;
    jmp_buf scheduler;
    ucontext_t creator;
    char *stacks;
    int running = 0, threads = 0, at_barrier = 0, barrier_line = 0, ended = 0;
    const std::function<void()> *thread = nullptr;
    std::vector<unsigned char> shared;
    std::string failure;
    uint64_t random = 0;

    machine()
    {
        void *memory = mmap(nullptr, (size_t)MOST_THREADS * STACK_BYTES, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED) {
            std::perror("stacks for emulated CUDA threads");
            std::abort();
        }
        stacks = (char *)memory;
    }

    ~machine()
    {
        munmap(stacks, (size_t)MOST_THREADS * STACK_BYTES);
    }
};

std::unique_ptr<machine> m;

/* SplitMix64 (Steele, Lea and Flood 2014). */
uint64_t next_random()
{
    uint64_t z = m->random += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void to_scheduler()
{
    if (_setjmp(m->fibers[m->running].context) == 0)
        _longjmp(m->scheduler, 1);
}

void wake(int i)
{
    m->fibers[i].now = state::ready;
    m->ready.push_back(i);
}

void fiber_main()
{
    for (;;) {
        (*m->thread)();
        m->fibers[m->running].now = state::ended;
        m->ended++;
        to_scheduler();
    }
}

/* Runs fiber i until it waits or ends. */
void resume(int i)
{
    fiber &f = m->fibers[i];
    m->running = i;
    threadIdx = f.index;
    if (_setjmp(m->scheduler) != 0)
        return;
    if (f.made)
        _longjmp(f.context, 1);
    f.made = true;
    ucontext_t first;
    getcontext(&first);
    first.uc_stack.ss_sp = m->stacks + (size_t)i * STACK_BYTES;
    first.uc_stack.ss_size = STACK_BYTES;
    first.uc_link = nullptr;
    makecontext(&first, fiber_main, 0);
    swapcontext(&m->creator, &first);
}

std::string stuck()
{
    char text[200];
    for (int i = 0; i < m->threads; i++) {
        const fiber &f = m->fibers[i];
        if (f.now == state::ended)
            continue;
        std::snprintf(text, sizeof(text),
                      "block (%u, %u, %u): thread %d waits at the %s in line %d; of %d threads %d have ended and %d are at "
                      "a block's barrier",
                      blockIdx.x, blockIdx.y, blockIdx.z, i,
                      f.now == state::at_block_barrier ? "barrier" : "warp operation", f.line, m->threads, m->ended,
                      m->at_barrier);
        return text;
    }
    return "";
}

void run_block()
{
    m->ready.clear();
    m->at_barrier = m->ended = 0;
    std::fill(m->shared.begin(), m->shared.end(), 0xff);
    for (int i = 0; i < m->threads; i++) {
        m->fibers[i].index = {i % blockDim.x, i / blockDim.x % blockDim.y, i / blockDim.x / blockDim.y};
        m->fibers[i].copies.clear();
        m->warps[i / 32].arrived = 0;
    }
    const int first = (int)(next_random() % (uint64_t)m->threads);
    for (int i = 0; i < m->threads; i++)
        wake((first + i) % m->threads);
    /* In half of the blocks a warp runs as far ahead of the others as it can. */
    const bool ahead = next_random() % 2;
    while (!m->ready.empty() && m->failure.empty()) {
        const size_t pick = ahead ? m->ready.size() - 1 : next_random() % m->ready.size();
        const int i = m->ready[pick];
        m->ready[pick] = m->ready.back();
        m->ready.pop_back();
        resume(i);
    }
    if (m->failure.empty() && m->ended < m->threads)
        m->failure = stuck();
}

}

void fail(const char *format, ...)
{
    char text[300];
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    m->failure = text;
    _longjmp(m->scheduler, 1);
}

void block_barrier(int line)
{
    fiber &f = m->fibers[m->running];
    if (m->at_barrier == 0)
        m->barrier_line = line;
    else if (m->barrier_line != line)
        fail("thread %d is at the barrier in line %d, others at that in line %d", m->running, line, m->barrier_line);
    f.line = line;
    if (++m->at_barrier == m->threads) {
        m->at_barrier = 0;
        for (int i = 0; i < m->threads; i++)
            if (i != m->running)
                wake(i);
        wake(m->running);
    } else {
        f.now = state::at_block_barrier;
    }
    to_scheduler();
}

const lanes &exchange(unsigned mask, const void *data, int words, int line)
{
    fiber &f = m->fibers[m->running];
    warp &w = m->warps[m->running / 32];
    const int first = m->running / 32 * 32;
    if (mask != 0xffffffffu)
        fail("line %d: a warp operation of a part of the warp is not emulated", line);
    if (w.arrived != 0 && (w.line != line || w.words != words))
        fail("thread %d is at the warp operation in line %d, others of its warp at that in line %d", m->running, line,
             w.line);
    lanes &mine = w.brought[w.current];
    if (words > 0)
        std::memcpy(mine.words[lane()], data, (size_t)words * 4);
    w.line = f.line = line;
    w.words = words;
    w.arrived |= 1u << lane();
    if (w.arrived == mask) {
        w.arrived = 0;
        w.current ^= 1;
        for (int i = first; i < first + 32; i++)
            if (i != m->running)
                wake(i);
        wake(m->running);
    } else {
        f.now = state::at_warp_barrier;
    }
    to_scheduler();
    return mine;
}

/* Makes a copy. */
static void make(const copy &c)
{
    if (c.from)
        std::memcpy(c.to, c.from, 16);
    else
        std::memset(c.to, 0, 16);
}

void copy_async(void *to, const void *from)
{
    fiber &f = m->fibers[m->running];
    const copy c = {to, from, f.group};
    if (next_random() % 2)
        make(c);
    else
        f.copies.push_back(c);
}

void end_group()
{
    m->fibers[m->running].group++;
}

void copies_done(int pending_groups)
{
    fiber &f = m->fibers[m->running];
    size_t left = 0;
    for (const copy &c : f.copies) {
        if (c.group >= f.group - pending_groups)
            f.copies[left++] = c;
        else
            make(c);
    }
    f.copies.resize(left);
}

int lane()
{
    return m->running % 32;
}

unsigned char *dynamic_shared()
{
    return m->shared.data();
}

std::string launch(dim3 grid, dim3 block, size_t shared_bytes, uint64_t seed, const std::function<void()> &thread)
{
    if (!m)
        m = std::make_unique<machine>();
    m->threads = (int)(block.x * block.y * block.z);
    if (m->threads > MOST_THREADS || m->threads % 32 != 0)
        return "a block of " + std::to_string(m->threads) + " threads is not emulated";
    m->thread = &thread;
    m->shared.resize(shared_bytes);
    m->failure.clear();
    m->random = seed;
    blockDim = block;
    gridDim = grid;
    const uint64_t blocks = (uint64_t)grid.x * grid.y * grid.z, start = next_random() % blocks;
    const bool upwards = next_random() % 2;
    for (uint64_t i = 0; i < blocks && m->failure.empty(); i++) {
        const uint64_t at = (start + (upwards ? i : blocks - i)) % blocks;
        blockIdx = {(unsigned)(at % grid.x), (unsigned)(at / grid.x % grid.y), (unsigned)(at / grid.x / grid.y)};
        run_block();
    }
    if (!m->failure.empty())
        for (fiber &f : m->fibers)
            f.made = false; /* those that wait are given up where they are */
    return m->failure;
}

}

float __half2float(__half x)
{
    const uint32_t sign = (uint32_t)(x.bits & 0x8000u) << 16, rest = x.bits & 0x7fffu;
    if (rest >= 0x7c00u)
        return emulated_bits<float>(sign | 0x7f800000u | (rest & 0x3ffu) << 13);
    /* Subnormals too: the exponents' biases differ by 112. */
    return emulated_bits<float>(sign | rest << 13) * 0x1p112f;
}

__half __float2half_rn(float x)
{
    const uint32_t bits = emulated_bits<uint32_t>(x), sign = bits >> 16 & 0x8000u, rest = bits & 0x7fffffffu;
    if (rest > 0x7f800000u)
        return {0x7fffu};
    if (rest >= 0x477ff000u)
        return {(uint16_t)(sign | 0x7c00u)};
    if (rest < 0x38800000u) /* subnormal: adding 0.5 leaves multiples of 2^-24, rounded, in the lowest bits */
        return {(uint16_t)(sign | (emulated_bits<uint32_t>(emulated_bits<float>(rest) + 0.5f) - 0x3f000000u))};
    return {(uint16_t)(sign | (((rest + 0xfffu + (rest >> 13 & 1u)) >> 13) - 0x1c000u))};
}

float __bfloat162float(__nv_bfloat16 x)
{
    return emulated_bits<float>((uint32_t)x.bits << 16);
}

__nv_bfloat16 __float2bfloat16_rn(float x)
{
    const uint32_t bits = emulated_bits<uint32_t>(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return {0x7fffu};
    return {(uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16)};
}
