/* The kernels that work on rows one by one, against float64. */
#include "harness.h"

static const int SIZES[] = {1, 2, 31, 32, 33, 63, 64, 96, 255, 256, 257, 768, 1023, 1024, 1025, 3072};
enum { T = 3 };

template <class E> using embedding_kernel = void(const E *, const float *, const int32_t *, const int32_t *, float *, int32_t,
                                                 int32_t, int32_t);

template <class E> static void embeds(embedding_kernel<E> *kernel, const char *name, int C)
{
    enum { V = 11, P = 5, ROWS = 8 };
    const buffer<E> wte(random_elements<E>(V * C));
    const buffer<float> wpe(random_elements<float>(P * C)), x(ROWS * C);
    const buffer<int32_t> tokens({0, 10, 4, 4, -1, 11, INT32_MIN, 3}), positions({4, 0, 1, 2, 0, 0, 3, 5});
    run(kernel, {ROWS}, {256}, 0, wte.get(), wpe.get(), tokens.get(), positions.get(), x.get(), C, V, P);
    bool right = true;
    for (int t = 0; t < ROWS; t++)
        for (int c = 0; c < C; c++)
            right &= t < 4 ? x[t * C + c] == to_float(wte[tokens[t] * C + c]) + wpe[positions[t] * C + c]
                           : std::isnan(x[t * C + c]);
    check(right && x.guards_hold(), "embedding_%s, C = %d", name, C);
}

/* The layer norm of each row of x. */
static std::vector<double> normed(const std::vector<double> &x, const buffer<float> &weight, const buffer<float> &bias,
                                  int C, double epsilon)
{
    std::vector<double> out(x.size());
    for (size_t row = 0; row < x.size(); row += (size_t)C) {
        double mean = 0, variance = 0;
        for (int c = 0; c < C; c++)
            mean += x[row + (size_t)c] / C;
        for (int c = 0; c < C; c++)
            variance += (x[row + (size_t)c] - mean) * (x[row + (size_t)c] - mean) / C;
        for (int c = 0; c < C; c++)
            out[row + (size_t)c] = (x[row + (size_t)c] - mean) / std::sqrt(variance + epsilon) * weight[c] + bias[c];
    }
    return out;
}

template <class E>
static void norms(void (*plain)(const float *, const float *, const float *, E *, int32_t, float),
                  void (*residual)(float *, const float *, const float *, const float *, const float *, E *, int32_t,
                                   float),
                  const char *name, int C)
{
    const float epsilon = 1e-5f;
    const buffer<float> weight(random_elements<float>(C)), bias(random_elements<float>(C));
    const buffer<float> y(random_elements<float>(T * C, 3)), y_bias(random_elements<float>(C));
    const std::vector<float> first = random_elements<float>(T * C, 5);
    const buffer<float> x(first);
    const buffer<E> out(T * C);
    const std::vector<double> wide(first.begin(), first.end());
    const double arithmetic = C == 1 ? 0 : 4e-6;
    for (int s = 0; s < SCHEDULES; s++) {
        run(plain, {T}, {256}, 0, x.get(), weight.get(), bias.get(), out.get(), C, epsilon);
        const double off = worst(out, normed(wide, weight, bias, C, epsilon), arithmetic);
        check(off <= 1 && x.same_bits(first) && out.guards_hold(), "layer_norm_%s, C = %d: %.3g", name, C, off);
    }
    for (int with = 0; with < 4; with++) {
        std::vector<double> sum = wide;
        std::vector<float> rounded = first;
        for (int64_t i = 0; i < T * C; i++) {
            float &r = rounded[(size_t)i];
            r = with & 1 ? r + y[i] : r;
            r = with & 2 ? r + y_bias[i % C] : r;
            sum[(size_t)i] = r;
        }
        const float *added = with & 1 ? y.get() : nullptr, *added_bias = with & 2 ? y_bias.get() : nullptr;
        x.assign(first);
        run(residual, {T}, {256}, 0, x.get(), added, added_bias, weight.get(), bias.get(), out.get(), C, epsilon);
        const double off = worst(out, normed(sum, weight, bias, C, epsilon), arithmetic);
        check(off <= 1 && x.same_bits(rounded) && out.guards_hold() && x.guards_hold(),
              "residual_layer_norm_%s, C = %d, with %d: %.3g", name, C, with, off);
        x.assign(first);
        run(residual_add, {T}, {256}, 0, x.get(), added, added_bias, C);
        check(x.same_bits(rounded) && x.guards_hold(), "residual_add, C = %d, with %d", C, with);
    }
}

static double activated(double x, int activation)
{
    switch (activation) {
    case ACTIVATION_GELU_TANH:
        return 0.5 * x * (1 + std::tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x)));
    case ACTIVATION_GELU_ERF:
        return 0.5 * x * std::erfc(-x / std::sqrt(2.0));
    case ACTIVATION_RELU:
        return std::fmax(x, 0);
    default:
        return x;
    }
}

template <class I, class O>
static void activates(void (*kernel)(const I *, int32_t, const float *, O *, int32_t, int32_t), const char *names, int N,
                      int stride)
{
    const buffer<I> y(random_elements<I>(T * stride, 6));
    const buffer<float> bias(random_elements<float>(N, 2));
    const buffer<O> out(T * N);
    for (int activation = 0; activation < 4; activation++)
        for (int with = 0; with < 2; with++) {
            std::vector<double> want((size_t)out.size());
            for (int64_t i = 0; i < T * N; i++)
                want[(size_t)i] = activated((double)(to_float(y[i / N * stride + i % N]) + (with ? bias[i % N] : 0)),
                                            activation);
            run(kernel, {T, (unsigned)(N + 1023) / 1024}, {256}, 0, y.get(), stride, with ? bias.get() : nullptr, out.get(),
                N, activation);
            const double off = worst(out, want, 2e-6);
            check(off <= 1 && out.guards_hold(), "bias_activation_%s, N = %d of %d, activation %d: %.3g", names, N, stride,
                  activation, off);
        }
}

static void activation_ends()
{
    const buffer<float> y({-INFINITY, INFINITY, NAN, -100, 100, 0, -1e30f, 1e30f}), out(8);
    for (int activation = 1; activation < 4; activation++) {
        run(bias_activation_f32_f32, {1}, {256}, 0, y.get(), 8, nullptr, out.get(), 8, activation);
        check(out[1] == INFINITY && std::isnan(out[2]) && out[3] == 0 && out[4] == 100 && out[5] == 0 && out[6] == 0
                  && out[7] == 1e30f, "ends of activation %d", activation);
    }
}

static void softens(int N, float spread)
{
    const std::vector<float> first = random_elements<float>(T * N, spread);
    const buffer<float> x(first);
    std::vector<double> want((size_t)x.size());
    for (int t = 0; t < T; t++) {
        const float *row = first.data() + t * N;
        float maximum = row[0];
        double sum = 0;
        for (int n = 0; n < N; n++)
            maximum = std::fmax(maximum, row[n]);
        for (int n = 0; n < N; n++)
            sum += std::exp((double)(row[n] - maximum));
        for (int n = 0; n < N; n++)
            want[(size_t)(t * N + n)] = std::exp((double)(row[n] - maximum)) / sum;
    }
    for (int s = 0; s < SCHEDULES; s++) {
        x.assign(first);
        run(softmax, {T}, {256}, 0, x.get(), N);
        const double off = worst(x, want, 3e-7);
        check(off <= 1 && x.guards_hold(), "softmax, N = %d: %.3g", N, off);
    }
}

static void softmax_ends()
{
    const buffer<float> x({-INFINITY, 0, 0, -INFINITY, 1000, 1000, 3, NAN, 5});
    run(softmax, {3}, {256}, 0, x.get(), 3);
    check(x[0] == 0 && x[1] == 0.5f && x[3] == 0 && x[4] == 0.5f && std::isnan(x[6]) && std::isnan(x[8]), "softmax's ends");
}

static void moves(int C)
{
    const buffer<float> x(random_elements<float>(T * C)), out(4 * C);
    const buffer<int32_t> rows({2, 0, 2, 1});
    run(select_rows, {4}, {256}, 0, x.get(), rows.get(), out.get(), C);
    bool right = true;
    for (int i = 0; i < 4 * C; i++)
        right &= out[i] == x[rows[i / C] * C + i % C];
    check(right && out.guards_hold(), "select_rows, C = %d", C);
}

static void advances()
{
    for (int rows : {1, 64, 65, 128, 256, 257, 300}) {
        const buffer<int32_t> tokens(rows), positions(rows), chosen(2 * rows), step(std::vector<int32_t>{5});
        for (int t = 0; t < rows; t++)
            tokens[t] = 7 * t, positions[t] = t, chosen[t] = chosen[rows + t] = -1;
        run(advance, {1}, {256}, 0, tokens.get(), positions.get(), chosen.get(), step.get(), 2, rows);
        bool right = step[0] == 6;
        for (int t = 0; t < rows; t++)
            right &= positions[t] == t + 1 && chosen[rows + t] == 7 * t && chosen[t] == -1;
        run(advance, {1}, {256}, 0, tokens.get(), positions.get(), nullptr, step.get(), 2, rows);
        check(right && step[0] == 7 && positions[rows - 1] == rows + 1 && chosen.guards_hold(), "advance, T = %d", rows);
    }
}

template <class I, class O> static void converts(void (*kernel)(const I *, O *, int64_t), const char *names, int N)
{
    const buffer<I> in(random_elements<I>(N + 1, 1000));
    const buffer<O> out(N);
    run(kernel, {(unsigned)(N + 1023) / 1024}, {256}, 0, in.get() + 1, out.get(), N);
    bool right = true;
    for (int i = 0; i < N; i++)
        right &= to_float(out[i]) == to_float(of_float<O>(to_float(in[i + 1])));
    check(right && out.guards_hold(), "convert_%s, n = %d", names, N);
}

template <class E> static void transposes(void (*kernel)(const float *, E *, int32_t, int32_t), const char *name, int K, int N)
{
    const buffer<float> in(random_elements<float>(K * N));
    const buffer<E> out(K * N);
    run(kernel, {(unsigned)(N + 31) / 32, (unsigned)(K + 31) / 32}, {32, 8}, 0, in.get(), out.get(), K, N);
    bool right = true;
    for (int i = 0; i < K * N; i++)
        right &= to_float(out[i]) == to_float(of_float<E>(in[i % K * N + i / K]));
    check(right && out.guards_hold(), "transpose_f32_%s, [%d, %d]", name, K, N);
}

void test_rowwise()
{
    for (int size : SIZES) {
#define EMBEDS(E, name) embeds<E>(embedding_##name, #name, size);
        FOR_ELEMENTS(EMBEDS)
#define NORMS(E, name) norms<E>(layer_norm_##name, residual_layer_norm_##name, #name, size);
        FOR_ELEMENTS(NORMS)
#define ACTIVATES(I, O, names)                                        \
    activates<I, O>(bias_activation_##names, #names, size, size);     \
    activates<I, O>(bias_activation_##names, #names, size, size + 7);
        FOR_BIAS_ACTIVATIONS(ACTIVATES)
#define CONVERTS(I, O, names) converts<I, O>(convert_##names, #names, size);
        FOR_CONVERSIONS(CONVERTS)
#define TRANSPOSES(E, name)                                     \
    transposes<E>(transpose_f32_##name, #name, size % 100, 33); \
    transposes<E>(transpose_f32_##name, #name, 5, size % 100);
        FOR_ELEMENTS(TRANSPOSES)
        softens(size, 1);
        softens(size, 60);
        moves(size);
    }
    activation_ends();
    softmax_ends();
    advances();
}
