/* Large areas of memory. With pages of 2 MB, where the system has them, reading weights costs a five-hundredth of the
 * address translations, and filling them a five-hundredth of the page faults. */
#define _DEFAULT_SOURCE
#define _DARWIN_C_SOURCE
#pragma GCC visibility push(default)
#include "isthmus.h"
#pragma GCC visibility pop

#include <stdint.h>
#include <sys/mman.h>

enum { LARGE_PAGE = 2 << 20 };

void *isthmus_map_memory(int64_t bytes)
{
    if (bytes <= 0 || (uint64_t)bytes > SIZE_MAX - 2 * LARGE_PAGE)
        return 0;
    /* Maps one large page more than needed and unmaps what lies off the boundaries. */
    const size_t size = ((size_t)bytes + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
    char *area = mmap(0, size + LARGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (area == MAP_FAILED)
        return 0;
    const size_t before = (LARGE_PAGE - (uintptr_t)area % LARGE_PAGE) % LARGE_PAGE;
    if (before)
        munmap(area, before);
    if (before < LARGE_PAGE)
        munmap(area + before + size, LARGE_PAGE - before);
#ifdef MADV_HUGEPAGE
    madvise(area + before, size, MADV_HUGEPAGE);
#endif
    return area + before;
}

int32_t isthmus_unmap_memory(void *memory, int64_t bytes)
{
    if (!memory || bytes <= 0 || (uint64_t)bytes > SIZE_MAX - LARGE_PAGE)
        return ISTHMUS_INVALID;
    const size_t size = ((size_t)bytes + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
    return munmap(memory, size) == 0 ? ISTHMUS_OK : ISTHMUS_INVALID;
}
