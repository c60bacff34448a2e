#define _DEFAULT_SOURCE
#define _DARWIN_C_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test.h"

enum { PAGES = 9 };

static int64_t page;

/* A file of PAGES pages, the last not full, each full of its number from 1 on, and where it is mapped. */
struct mapped {
    FILE *file;
    char *memory;
    int64_t bytes;
};

static struct mapped map_file(void)
{
    struct mapped m = {tmpfile(), 0, (PAGES - 1) * page + 5};
    char *content = malloc((size_t)(PAGES * page));
    for (int i = 0; i < PAGES; i++)
        memset(content + i * page, i + 1, (size_t)page);
    check(m.file && fwrite(content, 1, (size_t)m.bytes, m.file) == (size_t)m.bytes && fflush(m.file) == 0, "no file");
    free(content);
    m.memory = mmap(0, (size_t)m.bytes, PROT_READ, MAP_SHARED, fileno(m.file), 0);
    check(m.memory != MAP_FAILED, "not mapped");
    return m;
}

static void cut(const struct mapped *m, int64_t pages)
{
    check(ftruncate(fileno(m->file), pages * page) == 0, "not cut");
}

static void unmap(struct mapped *m)
{
    munmap(m->memory, (size_t)m->bytes);
    fclose(m->file);
}

static int read_page(const struct mapped *m, int i)
{
    return *(volatile char *)(m->memory + i * page + 4);
}

static sigjmp_buf out_of_fault;

static void leave_fault(int number)
{
    siglongjmp(out_of_fault, number);
}

/* Whether reading a page ends in the handler that was there before the first watch. */
static int faults(const struct mapped *m, int i)
{
    if (sigsetjmp(out_of_fault, 1))
        return 1;
    read_page(m, i);
    return 0;
}

static void lost_pages_become_zeros(void)
{
    struct mapped m = map_file(), other = map_file();
    const int32_t watch = isthmus_watch(m.memory, m.bytes), beside = isthmus_watch(other.memory, other.bytes);
    check(watch >= 0 && beside >= 0 && watch != beside, "watches %d and %d", (int)watch, (int)beside);
    check(isthmus_touch(m.memory, m.bytes) == ISTHMUS_OK && isthmus_is_whole(watch) == 1, "a whole file is not whole");
    for (int i = 0; i < PAGES; i++)
        check(read_page(&m, i) == i + 1, "page %d", i);

    cut(&m, 3);
    check(read_page(&m, 6) == 0 && read_page(&m, PAGES - 1) == 0, "lost pages are not zero");
    check(isthmus_is_whole(watch) == 0, "a lost page goes unseen");
    for (int i = 0; i < 3; i++)
        check(read_page(&m, i) == i + 1, "page %d, which is there", i);
    check(read_page(&m, 4) == 0, "a lost page before those read is not zero");
    check(isthmus_is_whole(beside) == 1 && read_page(&other, 6) == 7, "another file is touched");

    check(isthmus_unwatch(watch) == ISTHMUS_OK && isthmus_unwatch(beside) == ISTHMUS_OK, "not unwatched");
    unmap(&m);
    unmap(&other);
}

static void touching_finds_what_is_lost(void)
{
    struct mapped m = map_file();
    const int32_t watch = isthmus_watch(m.memory, m.bytes);
    cut(&m, 5);
    check(isthmus_touch(m.memory, 5 * page) == ISTHMUS_OK && isthmus_is_whole(watch) == 1, "pages before the end");
    /* An emulator may leave the touching undone. */
    check(isthmus_touch(m.memory + 4 * page + 1, page) == ISTHMUS_OK && read_page(&m, 5) == 0 &&
              isthmus_is_whole(watch) == 0, "the page behind");
    isthmus_unwatch(watch);
    unmap(&m);
}

static void other_faults_go_on(void)
{
    struct mapped m = map_file();
    const int32_t watch = isthmus_watch(m.memory + 3 * page, 2 * page);
    cut(&m, 1);
    check(faults(&m, 2) && faults(&m, 5), "a fault outside of the watched area is swallowed");
    check(isthmus_is_whole(watch) == 1, "a fault outside of the watched area counts");
    check(!faults(&m, 3) && !faults(&m, 4), "a fault within the watched area goes on");
    check(faults(&m, 2) && faults(&m, 5), "more is replaced than what is watched");
    isthmus_unwatch(watch);
    unmap(&m);
    m = map_file();
    cut(&m, 1);
    check(faults(&m, 3), "a fault after the end of a watch is swallowed");
    unmap(&m);
}

static void as_many_as_can_be(void)
{
    struct mapped m = map_file();
    int32_t watches[ISTHMUS_MAX_WATCHED];
    for (int i = 0; i < ISTHMUS_MAX_WATCHED; i++) {
        watches[i] = isthmus_watch(m.memory, m.bytes);
        check(watches[i] >= 0 && isthmus_is_whole(watches[i]) == 1, "watch %d gave %d", i, (int)watches[i]);
    }
    check(isthmus_watch(m.memory, m.bytes) == ISTHMUS_UNSUPPORTED, "one too many");
    for (int i = 0; i < ISTHMUS_MAX_WATCHED; i++)
        check(isthmus_unwatch(watches[i]) == ISTHMUS_OK, "watch %d has no end", i);
    const int32_t again = isthmus_watch(m.memory, m.bytes);
    check(again >= 0 && isthmus_is_whole(again) == 1, "ended watches are not taken again");
    isthmus_unwatch(again);

    check(isthmus_watch(0, page) == ISTHMUS_INVALID, "null watched");
    check(isthmus_watch(m.memory, 0) == ISTHMUS_INVALID, "nothing watched");
    check(isthmus_watch(m.memory, -1) == ISTHMUS_INVALID, "a negative size watched");
    check(isthmus_watch(m.memory + 1, page) == ISTHMUS_INVALID, "an area within a page watched");
    check(isthmus_touch(0, page) == ISTHMUS_INVALID && isthmus_touch(m.memory, 0) == ISTHMUS_INVALID &&
              isthmus_touch(m.memory, -1) == ISTHMUS_INVALID, "an impossible area touched");
    static const int32_t none[] = {-1, INT32_MIN, 0, ISTHMUS_MAX_WATCHED, INT32_MAX};
    for (int i = 0; i < COUNT(none); i++)
        check(isthmus_is_whole(none[i]) == ISTHMUS_INVALID && isthmus_unwatch(none[i]) == ISTHMUS_INVALID,
              "watch %d, which is none", (int)none[i]);
    unmap(&m);
}

TEST(watch)
{
    page = sysconf(_SC_PAGESIZE);
    struct sigaction action = {.sa_handler = leave_fault};
    sigaction(SIGBUS, &action, 0);
    lost_pages_become_zeros();
    touching_finds_what_is_lost();
    other_faults_go_on();
    as_many_as_can_be();
}
