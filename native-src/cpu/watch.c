/*
 * Weights in a mapped file. A page that the file has lost, or that its disk cannot deliver, raises SIGBUS in whoever
 * reads it; here the rest of such an area is replaced by zeros and the area marked, as systemd's sigbus.c does for
 * journals. A signal's handler belongs to the whole process, so this is the one file of the library that keeps state.
 *
 * The handler is never removed: another one that was installed later may call it, as this one calls the one before.
 * Several copies of the library in one process thus form a chain, and none of them may be unloaded: build.sh links with
 * nodelete, and the Java side keeps what it has opened.
 */
#define _DEFAULT_SOURCE
#define _DARWIN_C_SOURCE
#pragma GCC visibility push(default)
#include "isthmus.h"
#pragma GCC visibility pop

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

/* While `begin` is 0 the entry is free. `end` changes only then, so that the handler, which cannot lock, sees by
 * `begin` before and after whether it has read a pair. */
static struct {
    atomic_uintptr_t begin, end;
    atomic_int lost;
} areas[ISTHMUS_MAX_WATCHED];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* who changes areas */
static struct sigaction previous;
static uintptr_t page;
static int installed;

static int replace_lost(uintptr_t address)
{
    for (int i = 0; i < ISTHMUS_MAX_WATCHED; i++) {
        const uintptr_t begin = atomic_load(&areas[i].begin), end = atomic_load(&areas[i].end);
        if (!begin || address < begin || address >= end || atomic_load(&areas[i].begin) != begin)
            continue;
        const uintptr_t from = address / page * page;
        atomic_store(&areas[i].lost, 1);
        return mmap((void *)from, end - from, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
    }
    return 0;
}

static void on_sigbus(int number, siginfo_t *info, void *context)
{
    const int error = errno;
    if (!replace_lost((uintptr_t)info->si_addr)) {
        if (previous.sa_flags & SA_SIGINFO)
            previous.sa_sigaction(number, info, context);
        else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN)
            previous.sa_handler(number);
        else
            sigaction(number, &previous, 0); /* the fault comes again and ends the process */
    }
    errno = error;
}

/* With the mask and the stack of the handler before, which may be a Java virtual machine's. */
static int install(void)
{
    if (installed)
        return 1;
    page = (uintptr_t)sysconf(_SC_PAGESIZE);
    if (sigaction(SIGBUS, 0, &previous) != 0)
        return 0;
    struct sigaction action = previous;
    action.sa_sigaction = on_sigbus;
    action.sa_flags = (previous.sa_flags | SA_SIGINFO) & ~(int)SA_RESETHAND;
    return installed = sigaction(SIGBUS, &action, 0) == 0;
}

static int32_t add_area(uintptr_t begin, uintptr_t end)
{
    for (int32_t i = 0; i < ISTHMUS_MAX_WATCHED; i++)
        if (!atomic_load(&areas[i].begin)) {
            atomic_store(&areas[i].end, end);
            atomic_store(&areas[i].lost, 0);
            atomic_store(&areas[i].begin, begin);
            return i;
        }
    return ISTHMUS_UNSUPPORTED;
}

int32_t isthmus_watch(void *memory, int64_t bytes)
{
    const uintptr_t begin = (uintptr_t)memory;
    if (!memory || bytes <= 0 || (uint64_t)bytes > UINTPTR_MAX - begin)
        return ISTHMUS_INVALID;
    pthread_mutex_lock(&lock);
    int32_t watch = ISTHMUS_UNSUPPORTED;
    if (install())
        watch = begin % page ? ISTHMUS_INVALID : add_area(begin, (begin + (uintptr_t)bytes + page - 1) / page * page);
    pthread_mutex_unlock(&lock);
#ifdef MADV_HUGEPAGE /* what is not in the page cache yet comes there in large pages, which can be mapped as such */
    if (watch >= 0)
        madvise(memory, (size_t)bytes, MADV_HUGEPAGE);
#endif
    return watch;
}

static int is_watch(int32_t watch)
{
    return watch >= 0 && watch < ISTHMUS_MAX_WATCHED && atomic_load(&areas[watch].begin);
}

int32_t isthmus_is_whole(int32_t watch)
{
    return is_watch(watch) ? !atomic_load(&areas[watch].lost) : ISTHMUS_INVALID;
}

int32_t isthmus_unwatch(int32_t watch)
{
    pthread_mutex_lock(&lock);
    const int32_t status = is_watch(watch) ? ISTHMUS_OK : ISTHMUS_INVALID;
    if (status == ISTHMUS_OK)
        atomic_store(&areas[watch].begin, 0);
    pthread_mutex_unlock(&lock);
    return status;
}

int32_t isthmus_touch(const void *memory, int64_t bytes)
{
    if (!memory || bytes <= 0 || (uint64_t)bytes > UINTPTR_MAX - (uintptr_t)memory)
        return ISTHMUS_INVALID;
    const uintptr_t size = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t begin = (uintptr_t)memory / size * size, end = (uintptr_t)memory + (uintptr_t)bytes;
#ifdef MADV_POPULATE_READ
    if (madvise((void *)begin, end - begin, MADV_POPULATE_READ) == 0)
        return ISTHMUS_OK;
#endif
    for (uintptr_t at = begin; at < end; at += size)
        (void)*(const volatile char *)at;
    return ISTHMUS_OK;
}
