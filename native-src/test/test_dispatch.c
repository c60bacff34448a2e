#include "test.h"

/* Levels: what is reported, and that those which cannot run are refused by every function before it does anything. */
void test_dispatch(void)
{
    check(isthmus_abi_version() == ISTHMUS_ABI_VERSION, "ABI version %d", (int)isthmus_abi_version());
    check(isthmus_level_supported(ISTHMUS_LEVEL_BASELINE) == 1, "baseline is not supported");
    check(isthmus_level_supported(isthmus_best_level()) == 1, "the best level is not supported");
    check(isthmus_best_level() == LEVELS[LEVELS_COUNT - 1], "best level %d", (int)isthmus_best_level());
    check(isthmus_level_supported(-1) == 0 && isthmus_level_supported(5) == 0, "a level that does not exist");

    struct tensor x = tensor_random(64, 0), w = tensor_random(64, 0);
    const int32_t zero[] = {0};
    const uint64_t blocks[] = {(uint64_t)(uintptr_t)x.data};
    const int64_t start[] = {0};
    for (int i = 0; i < UNSUPPORTED_LEVELS; i++) {
        const int32_t level = unsupported_level(i);
#define CALL(call) REFUSES(x, ISTHMUS_UNSUPPORTED, call)
        CALL(isthmus_pack(level, w.data, 0, ISTHMUS_TYPE_F32, x.data, 1, 64, 0, 1, 0, 64));
        CALL(isthmus_embedding(level, w.data, ISTHMUS_TYPE_F32, w.data, zero, zero, x.data, 1, 1, 1, 0, 1));
        CALL(isthmus_layer_norm(level, w.data, w.data, w.data, x.data, 4, 1e-5, 0, 1));
        CALL(isthmus_matmul(level, w.data, w.data, ISTHMUS_TYPE_F32, 0, 0, 0, x.data, 1, 64, 0, 1, 0, 64));
        CALL(isthmus_quantize(level, w.data, ISTHMUS_TYPE_INT8, x.data, 4, 0, 1));
        CALL(isthmus_softmax(level, x.data, 4, 0, 1));
        CALL(isthmus_append_kv(level, w.data, zero, zero, blocks, start, ISTHMUS_TYPE_F16, 0, 1, 1, 0, 1));
        CALL(isthmus_attention(level, w.data, x.data, zero, zero, blocks, start, ISTHMUS_TYPE_F16, 0, 1, 1, 1.0f, 0, 1,
                               0, 1));
#undef CALL
    }
    tensor_free(&x), tensor_free(&w);
}
