#include "test.h"

static void reads_every_word(int32_t level, int64_t lines)
{
    struct tensor t = tensor_random(lines * 16, 0);
    uint32_t want = 0;
    for (int64_t i = 0; i < lines * 16; i++)
        want ^= get_u32(&t, i * 4);
    int32_t sum = 1;
    const int32_t status = isthmus_read_bytes(level, t.data, lines * 64, &sum);
    check(status == ISTHMUS_OK && (uint32_t)sum == want, "%s: %d lines add up to %08x, not %08x", level_name(level),
          (int)lines, (unsigned)sum, (unsigned)want);
    tensor_free(&t);
}

/* Each multiply-add leaves its 1 in a sum. More than asked for are only what fills up the last step. */
static void counts(int32_t level, int32_t type, int64_t count)
{
    enum { LARGEST_STEP = 16 * 64 };
    int64_t done = -1;
    const int32_t status = isthmus_multiply_adds(level, type, count, &done);
    check(status == ISTHMUS_OK && count <= done && done < count + LARGEST_STEP, "%s, type %d: %lld of %lld",
          level_name(level), (int)type, (long long)done, (long long)count);
}

static void refuses(int32_t level)
{
    int32_t sum = 7;
    int64_t done = 7;
    float line[16] = {0};
    check(isthmus_read_bytes(level, NULL, 64, &sum) == ISTHMUS_INVALID, "no memory");
    check(isthmus_read_bytes(level, line, 64, NULL) == ISTHMUS_INVALID, "no sum");
    check(isthmus_read_bytes(level, line, -64, &sum) == ISTHMUS_INVALID, "a negative size");
    check(isthmus_read_bytes(level, line, 63, &sum) == ISTHMUS_INVALID, "a part of a line");
    check(isthmus_multiply_adds(level, ISTHMUS_TYPE_F32, 1, NULL) == ISTHMUS_INVALID, "no count");
    check(isthmus_multiply_adds(level, -1, 1, &done) == ISTHMUS_INVALID, "no type");
    check(isthmus_multiply_adds(level, ISTHMUS_TYPE_F32, -1, &done) == ISTHMUS_INVALID, "a negative count");
    check(isthmus_multiply_adds(level, ISTHMUS_TYPE_F32, ISTHMUS_MAX_MULTIPLY_ADDS + 1LL, &done) == ISTHMUS_INVALID,
          "too many");
    check(sum == 7 && done == 7, "something was written");
}

TEST(read_bytes)
{
    for (int l = 0; l < LEVELS_COUNT; l++) {
        for (int64_t lines = 0; lines < 40; lines++)
            reads_every_word(LEVELS[l], lines);
        refuses(LEVELS[l]);
    }
    for (int i = 0; i < UNSUPPORTED_LEVELS; i++) {
        int32_t sum = 7;
        float line[16] = {0};
        check(isthmus_read_bytes(unsupported_level(i), line, 64, &sum) == ISTHMUS_UNSUPPORTED && sum == 7, "read");
    }
}

TEST(multiply_adds)
{
    for (int l = 0; l < LEVELS_COUNT; l++) {
        for (int32_t type = ISTHMUS_TYPE_F32; type <= ISTHMUS_TYPE_Q4; type++)
            for (int64_t count = 0; count < 5000; count += 97)
                counts(LEVELS[l], type, count);
        counts(LEVELS[l], ISTHMUS_TYPE_F32, ISTHMUS_MAX_MULTIPLY_ADDS);
        counts(LEVELS[l], ISTHMUS_TYPE_INT8, ISTHMUS_MAX_MULTIPLY_ADDS);
    }
    for (int i = 0; i < UNSUPPORTED_LEVELS; i++) {
        int64_t done = 7;
        check(isthmus_multiply_adds(unsupported_level(i), ISTHMUS_TYPE_F32, 1, &done) == ISTHMUS_UNSUPPORTED &&
                  done == 7, "multiply");
    }
}
