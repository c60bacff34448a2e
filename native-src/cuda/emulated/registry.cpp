/* The kernels by name, with what their declarations in kernels.h say of their parameters. */
#include <map>
#include <utility>

#include "emulator.h"
#include "kernels.h"

namespace emulated {
namespace {

template <auto function, class... P, size_t... I> void call(void **arguments, std::index_sequence<I...>)
{
    function(*static_cast<P *>(arguments[I])...);
}

template <auto function> struct caller;
template <class... P, void (*function)(P...)> struct caller<function> {
    static kernel named(const char *name, int threads)
    {
        return {name, [](void **arguments) { call<function, P...>(arguments, std::index_sequence_for<P...>()); }, threads,
                {sizeof(P)...}};
    }
};

std::map<std::string, kernel> all()
{
    std::map<std::string, kernel> kernels;
#define KERNEL(name, threads) kernels.emplace(#name, caller<name>::named(#name, threads));
#define EVERY_TYPE(E, name)               \
    KERNEL(embedding_##name, 256)           \
    KERNEL(layer_norm_##name, 256)          \
    KERNEL(residual_layer_norm_##name, 256) \
    KERNEL(append_kv_##name, 256)           \
    KERNEL(attention_combine_##name, 128)   \
    KERNEL(transpose_f32_##name, 256)       \
    HEAD_SIZES(EVERY_HEAD_SIZE, E, name)
#define EVERY_HEAD_SIZE(E, name, D)                                                     \
    KERNEL(attention_prefill_##name##_##D, ATTENTION_PREFILL_THREADS((int)sizeof(E))) \
    KERNEL(attention_decode_##name##_##D, 128)
#define BIAS_ACTIVATION(I, O, names) KERNEL(bias_activation_##names, 256)
#define MATMUL_ROWS(E, O, names) KERNEL(matmul_rows_##names, 256)
#define CONVERT(I, O, names) KERNEL(convert_##names, 256)
    FOR_ELEMENTS(EVERY_TYPE)
    FOR_BIAS_ACTIVATIONS(BIAS_ACTIVATION)
    FOR_CONVERSIONS(CONVERT)
    FOR_MATMUL_ROWS(MATMUL_ROWS)
    KERNEL(residual_add, 256)
    KERNEL(softmax, 256)
    KERNEL(argmax, 1024)
    KERNEL(top_k, 1024)
    KERNEL(sample, 1024)
    KERNEL(advance, 256)
    KERNEL(select_rows, 256)
    return kernels;
}

}

const kernel *find_kernel(const std::string &name)
{
    static const std::map<std::string, kernel> kernels = all();
    const auto found = kernels.find(name);
    return found == kernels.end() ? nullptr : &found->second;
}

}
