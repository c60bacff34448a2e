#define _DEFAULT_SOURCE
#define _DARWIN_C_SOURCE
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test.h"

enum { LARGE_PAGE = 2 << 20 };

/* Whether the page at p belongs to nothing. */
static int is_unmapped(char *p)
{
    return msync(p, (size_t)sysconf(_SC_PAGESIZE), MS_ASYNC) != 0 && errno == ENOMEM;
}

static void maps(int64_t bytes)
{
    char *memory = isthmus_map_memory(bytes);
    check(memory && (uintptr_t)memory % LARGE_PAGE == 0, "%lld bytes at %p", (long long)bytes, (void *)memory);
    if (!memory)
        return;
    int64_t zero = 0, kept = 0;
    for (int64_t i = 0; i < bytes; i++) {
        zero += memory[i] == 0;
        memory[i] = 0x5a;
    }
    check(zero == bytes, "%lld of %lld bytes are zero", (long long)zero, (long long)bytes);
    for (int64_t i = 0; i < bytes; i++)
        kept += memory[i] == 0x5a;
    check(kept == bytes, "%lld of %lld bytes keep what is written", (long long)kept, (long long)bytes);
    check(isthmus_unmap_memory(memory, bytes) == ISTHMUS_OK, "%lld bytes are not taken back", (long long)bytes);
    check(is_unmapped(memory) && is_unmapped(memory + (bytes - 1) / LARGE_PAGE * LARGE_PAGE),
          "%lld bytes are still mapped", (long long)bytes);
}

TEST(memory)
{
    static const int64_t sizes[] = {1, 4095, LARGE_PAGE - 1, LARGE_PAGE, LARGE_PAGE + 1, 5 * LARGE_PAGE + 12345};
    for (int i = 0; i < COUNT(sizes); i++)
        maps(sizes[i]);

    static const int64_t impossible[] = {0, -1, INT64_MIN, INT64_MAX, INT64_MAX - LARGE_PAGE};
    char *memory = isthmus_map_memory(LARGE_PAGE);
    for (int i = 0; i < COUNT(impossible); i++)
        check(!isthmus_map_memory(impossible[i]), "%lld bytes mapped", (long long)impossible[i]);
    check(isthmus_unmap_memory(0, LARGE_PAGE) == ISTHMUS_INVALID, "null given back");
    check(isthmus_unmap_memory(memory, 0) == ISTHMUS_INVALID, "no bytes given back");
    check(isthmus_unmap_memory(memory, -1) == ISTHMUS_INVALID, "negative bytes given back");
    check(isthmus_unmap_memory(memory + 1, LARGE_PAGE) == ISTHMUS_INVALID, "an address within given back");
    check(!is_unmapped(memory), "a refusal has unmapped memory");
    isthmus_unmap_memory(memory, LARGE_PAGE);
}
