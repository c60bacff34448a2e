#include "harness.h"

template <class E, class O> using matmul_kernel = void(const E *, const E *, const float *, O *, int32_t, int32_t, int32_t,
                                                       int32_t, int32_t);

template <class E, class O> static void multiplies(matmul_kernel<E, O> *kernel, const char *names, int T, int K, int N)
{
    const buffer<E> in(random_elements<E>(T * K)), w(random_elements<E>(N * K));
    const buffer<float> bias(random_elements<float>(N));
    const std::vector<O> first = random_elements<O>(T * N);
    const buffer<O> out(first);
    for (int with = 0; with < 3; with++) {
        std::vector<double> want((size_t)(T * N));
        for (int i = 0; i < T * N; i++) {
            double sum = with ? bias[i % N] : 0;
            for (int k = 0; k < K; k++)
                sum += (double)to_float(in[i / N * K + k]) * (double)to_float(w[i % N * K + k]);
            want[(size_t)i] = with == 2 ? std::fmax(sum, 0) : with == 1 ? to_float(first[(size_t)i]) + sum : sum;
        }
        out.assign(first);
        run(kernel, {(unsigned)(N + MATMUL_ROWS_OUTPUTS - 1) / MATMUL_ROWS_OUTPUTS}, {256}, 0, in.get(), w.get(),
            with ? bias.get() : nullptr, out.get(), T, K, N, with == 2 ? ACTIVATION_RELU : ACTIVATION_NONE,
            with == 1 ? ADD : STORE);
        const double off = worst(out, want, 3e-7 * std::sqrt((double)K) + 2e-7);
        check(off <= 1 && out.guards_hold(), "matmul_rows_%s, [%d, %d] . [%d, %d], with %d: %.3g", names, T, K, K, N, with,
              off);
    }
}

void test_matmul_rows()
{
    const int sizes[] = {8, 16, 120, 128, 136, 512, 768, 1032};
    for (int T = 1; T <= MATMUL_ROWS_MOST; T++)
        for (int K : sizes) {
            const int N = 1 + (int)random_below(40);
#define MULTIPLIES(E, O, names) multiplies<E, O>(matmul_rows_##names, #names, T, K, N);
            FOR_MATMUL_ROWS(MULTIPLIES)
        }
}
