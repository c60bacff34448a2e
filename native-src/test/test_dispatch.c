#include "test.h"

/* Levels: what is reported, and that those which cannot run are refused by every function before it does anything. */
TEST(dispatch)
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
    const struct isthmus_matrix to = {x.data, 1, 64, ISTHMUS_TYPE_F32}, from = {w.data, 1, 64, ISTHMUS_TYPE_F32};
    const struct isthmus_rows rows = {zero, zero, zero};
    const struct isthmus_kv kv = {blocks, start, 0, 1, 1, ISTHMUS_TYPE_F16};
    for (int i = 0; i < UNSUPPORTED_LEVELS; i++) {
        const int32_t level = unsupported_level(i);
#define CALL(call) REFUSES(x, ISTHMUS_UNSUPPORTED, call)
        CALL(isthmus_pack(level, w.data, 0, &to, 0, 1, 0, 64));
        CALL(isthmus_embedding(level, &from, w.data, 1, &rows, x.data, 0, 1));
        CALL(isthmus_layer_norm(level, w.data, STRUCT(norm, w.data, w.data, 4, 1e-5), x.data, 0, 1));
        CALL(isthmus_matmul(level, w.data, &from, STRUCT(epilogue, x.data, 0, 0, 0), 0, 1, 0, 64));
        CALL(isthmus_quantize(level, w.data, ISTHMUS_TYPE_INT8, x.data, 4, 0, 1));
        CALL(isthmus_append_kv(level, w.data, &rows, &kv, 0, 1));
        CALL(isthmus_attention(level, STRUCT(queries, w.data, x.data, 1.0f), &rows, &kv, 0, 1, 0, 1));
#undef CALL
    }
    tensor_free(&x), tensor_free(&w);
}
